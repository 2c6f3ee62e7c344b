//! Counts the instructions of every kernel in one inference and one training step of a network of the shape of MCUNet-5fps (22.5 million products at
//! 128 x 128) with the update scheme of 49 KB: biases of the last 20 convolutions, a part of the weights of three, and the head.
//!
//! `cargo run --release -p ounce-tiny --example instructions [m4|m7] [nearest|truncate|fixed] [layers]`
//!
//! Weights and images are noise: what is counted hardly depends on them.

use std::collections::BTreeMap;

use ounce_tiny::simulate::{Build, Run, Target};

type Error = Box<dyn std::error::Error>;

/// Input, expanded (0: none) and output channels, kernel, stride, residual connection.
const BLOCKS: [(usize, usize, usize, usize, usize, bool); 14] = [
    (16, 0, 8, 3, 1, false),
    (8, 32, 16, 3, 2, false),
    (16, 48, 16, 3, 1, true),
    (16, 48, 24, 7, 2, false),
    (24, 120, 24, 3, 1, true),
    (24, 120, 40, 3, 2, false),
    (40, 160, 40, 7, 1, true),
    (40, 160, 48, 5, 1, false),
    (48, 144, 48, 3, 1, true),
    (48, 192, 48, 3, 1, true),
    (48, 240, 96, 7, 2, false),
    (96, 384, 96, 5, 1, true),
    (96, 384, 96, 5, 1, true),
    (96, 576, 160, 3, 1, false),
];
/// Classes of the head.
const CLASSES: usize = 10;
/// The first convolution whose bias is trained; those before are not differentiated.
const FIRST_TRAINED: usize = 22;
/// Convolutions whose weights are trained, and how many of their input channels.
const TRAINED: [(usize, usize); 3] = [(24, 12), (27, 24), (30, 24)];

/// One convolution.
#[derive(Clone, Copy)]
struct Layer {
    index: usize,
    /// Width and height of the input.
    side: usize,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    depthwise: bool,
    /// The block whose output this is, if a residual is added to it.
    residual: bool,
}

impl Layer {
    fn out_side(&self) -> usize {
        self.side.div_ceil(self.stride)
    }

    fn pixels(&self) -> usize {
        self.out_side() * self.out_side()
    }

    fn taps(&self) -> usize {
        self.kernel * self.kernel * if self.depthwise { 1 } else { self.inputs }
    }

    fn products(&self) -> usize {
        self.pixels() * self.outputs * self.taps()
    }

    fn kind(&self) -> &'static str {
        match (self.depthwise, self.kernel) {
            (true, 3) => "depthwise 3x3",
            (true, 5) => "depthwise 5x5",
            (true, _) => "depthwise 7x7",
            (false, 1) => "pointwise",
            (false, _) => "first 3x3",
        }
    }

    fn trained_inputs(&self) -> Option<usize> {
        TRAINED.iter().find(|(index, _)| *index == self.index).map(|(_, count)| *count)
    }

    fn shape(&self) -> String {
        let (out, pad) = (self.out_side(), self.kernel / 2);
        format!(
            "{{{0}, {0}, {1}, {out}, {out}, {2}, {3}, {3}, {4}, {4}, {pad}, {pad}}}",
            self.side, self.inputs, self.outputs, self.kernel, self.stride
        )
    }
}

fn network() -> Vec<Layer> {
    let mut layers = Vec::new();
    let mut side = 128;
    let mut push = |inputs, outputs, kernel, stride, depthwise, residual| {
        let index = layers.len();
        let layer = Layer { index, side, inputs, outputs, kernel, stride, depthwise, residual };
        side = layer.out_side();
        layers.push(layer);
    };
    push(3, 16, 3, 2, false, false);
    for (inputs, expanded, outputs, kernel, stride, residual) in BLOCKS {
        let wide = if expanded > 0 { expanded } else { inputs };
        if expanded > 0 {
            push(inputs, expanded, 1, 1, false, false);
        }
        push(wide, wide, kernel, stride, true, false);
        push(wide, outputs, 1, 1, false, residual);
    }
    layers
}

/// A program under construction, with the name of what each mark begins.
#[derive(Default)]
struct Program {
    data: String,
    body: String,
    steps: Vec<(String, String, usize)>,
    rounding: &'static str,
}

impl Program {
    fn step(&mut self, layer: &str, kind: &str, products: usize, call: &str) {
        self.body += &format!("    ounce_mark();\n    {call}\n");
        self.steps.push((layer.into(), kind.into(), products));
    }

    fn forward(&mut self, layers: &[Layer]) {
        let mut weights = 0;
        for l in layers {
            let i = l.index;
            let saved = if i >= FIRST_TRAINED { format!("bits[{i}]") } else { "NULL".into() };
            let quiet = if l.outputs > l.inputs || l.depthwise { "relu" } else { "linear" };
            if l.kernel > 1 {
                self.data += &format!("static const ounce_conv c{i} = {};\n", l.shape());
            }
            self.data += &format!("#define W{i} (&weights[{weights}])\n");
            weights += l.outputs * l.taps();
            let common = format!("W{i}, bias, &{quiet}");
            // Each kernel reads and writes whole images, one in each of two places.
            let call = match l.kind() {
                "pointwise" => format!(
                    "ounce_pointwise_s8({}, {}, {}, x, -128, {common}, y, {saved}, scratch);",
                    l.pixels(),
                    l.inputs,
                    l.outputs
                ),
                "first 3x3" => format!("ounce_conv_s8(&c{i}, x, 0, {common}, y, {saved}, scratch);"),
                _ => format!("ounce_depthwise_s8(&c{i}, x, -128, {common}, y, {saved}, scratch);"),
            };
            self.step(&i.to_string(), l.kind(), l.products(), &call);
            if l.residual {
                let count = l.pixels() * l.outputs;
                let call = format!("ounce_add_s8({count}U, x, y, &sum, x, {saved});");
                self.step(&i.to_string(), "addition", 0, &call);
            } else {
                self.body += "    { int8_t *const other = x; x = y; y = other; }\n";
            }
        }
        self.data += &format!("static int8_t weights[{}] = {{1}};\n", weights);
        let last = layers[layers.len() - 1];
        let (side, features) = (last.out_side(), last.outputs);
        self.data += &format!(
            "static const ounce_conv pool = {{{side}, {side}, {features}, 1, 1, {features}, {side}, {side}, 1, 1, 0, 0}};\n"
        );
        self.step("pool", "mean", 0, "ounce_average_pool_s8(&pool, OUNCE_NEAREST, x, y);");
        let products = features * CLASSES;
        let call = format!("ounce_dense_s8_f32({features}, {CLASSES}, y, -128, head, bias, scales, logits);");
        self.step("head", "dense", products, &call);
        self.body += "    ounce_mark();\n";
    }

    fn backward(&mut self, layers: &[Layer]) {
        let last = layers[layers.len() - 1];
        let features = last.outputs;
        self.step("head", "loss", 0, &format!("(void)ounce_cross_entropy({CLASSES}, logits, 3, logits);"));
        self.input_gradient("head", features * CLASSES, 1, features, CLASSES, "logits", "head", "h");
        self.body += "    g = h; h = &gradients[GRADIENT];\n";
        self.weight_update("head", 1, features, CLASSES, features, "logits", "head");
        self.bias_update("head", 1, CLASSES, "logits");
        let call = format!("ounce_mean_gradient({}, {features}, g, 0.0625f, h);", last.pixels());
        self.step("pool", "mean gradient", 0, &call);
        self.body += "    { float *const other = g; g = h; h = other; }\n";
        for l in layers[FIRST_TRAINED..].iter().rev() {
            let (i, name) = (l.index, l.index.to_string());
            let count = l.pixels() * l.outputs;
            if l.residual {
                let call = format!("ounce_gradient_scale({count}U, g, 0.7f, skip);");
                self.step(&name, "gradient scale", 0, &call);
            }
            let call =
                format!("ounce_gradient_mask_scale({}, {}, bits[{i}], scales, g);", l.pixels(), l.outputs);
            self.step(&name, "gradient mask", 0, &call);
            self.bias_update(&name, l.pixels(), l.outputs, "g");
            if i == FIRST_TRAINED {
                break;
            }
            let w = format!("W{i}");
            if l.depthwise {
                let kind = format!("{} gradient", l.kind());
                let call = format!("ounce_depthwise_input_gradient(&c{i}, g, {w}, h, scratch);");
                self.step(&name, &kind, l.products(), &call);
            } else {
                self.input_gradient(&name, l.products(), l.pixels(), l.inputs, l.outputs, "g", &w, "h");
            }
            if let Some(inputs) = l.trained_inputs() {
                self.weight_update(&name, l.pixels(), l.inputs, l.outputs, inputs, "g", &w);
            }
            self.body += "    { float *const other = g; g = h; h = other; }\n";
            let begins_residual = layers.get(i + 2).is_some_and(|end| end.residual && end.kernel == 1);
            if begins_residual && !l.depthwise && l.outputs > l.inputs {
                let call = format!("ounce_gradient_add({}U, skip, g);", l.pixels() * l.inputs);
                self.step(&name, "gradient add", 0, &call);
            }
        }
        self.body += "    ounce_mark();\n";
    }

    #[allow(clippy::too_many_arguments)]
    fn input_gradient(
        &mut self,
        layer: &str,
        products: usize,
        pixels: usize,
        inputs: usize,
        outputs: usize,
        g: &str,
        w: &str,
        to: &str,
    ) {
        let call = format!("ounce_pointwise_input_gradient({pixels}, {inputs}, {outputs}, {g}, {w}, {to});");
        self.step(layer, "pointwise gradient", products, &call);
    }

    #[allow(clippy::too_many_arguments)]
    fn weight_update(
        &mut self,
        layer: &str,
        pixels: usize,
        inputs: usize,
        outputs: usize,
        chosen: usize,
        g: &str,
        w: &str,
    ) {
        let name = format!("s{layer}");
        self.data += &format!("static const ounce_selection {name} = {{{chosen}, NULL}};\n");
        let call = format!(
            "for (int32_t o = 0; o + 4 <= {outputs}; o += 4) {{ ounce_pointwise_weight_gradient({pixels}, {inputs}, {outputs}, x, -128, {g}, &{name}, o, 4, rows); \
             ounce_update_weights(&update, 1, {inputs}, &{name}, o, 4, rows, scales, {w}, NULL); }}"
        );
        self.step(layer, "weight gradient and update", pixels * outputs * chosen, &call);
    }

    fn bias_update(&mut self, layer: &str, pixels: usize, channels: usize, g: &str) {
        let call = format!(
            "ounce_bias_gradient({pixels}, {channels}, {g}, rows); ounce_update_bias(&update, {channels}, rows, scales, bias, NULL);"
        );
        self.step(layer, "bias gradient and update", 0, &call);
    }

    fn text(&self) -> String {
        let rounding = self.rounding;
        let bits = "static uint8_t bits[42][2048];\n";
        format!(
            "#include \"ounce_tiny.h\"\n#include \"ounce_board.h\"\n#define GRADIENT 20480\n\
             static int8_t images[2][160000];\nstatic float gradients[2 * GRADIENT];\nstatic float skip_gradient[GRADIENT];\n{bits}\
             static int32_t bias[640];\nstatic float scales[640];\nstatic int32_t multipliers[640];\nstatic int32_t shifts[640];\nstatic float logits[{CLASSES}];\nstatic float rows[8192];\n\
             static int8_t head[1600];\nstatic uint64_t scratch[4096];\n{}\
             static const ounce_requantize relu = {{{rounding}, scales, multipliers, shifts, -128, -128, 127}};\n\
             static const ounce_requantize linear = {{{rounding}, scales, multipliers, shifts, 3, -128, 127}};\n\
             static const ounce_addition sum = {{OUNCE_NEAREST, 0.02f, 0.03f, 0.04f, 1, 2, 3}};\n\
             static const ounce_update update = {{OUNCE_UPDATE_STOCHASTIC, 1e-3f, 1U, 2U}};\n\
             int ounce_main(void)\n{{\n    int8_t *x = images[0];\n    int8_t *y = images[1];\n    float *g = gradients;\n    float *h = &gradients[GRADIENT];\n\
             float *skip = skip_gradient;\n    uint32_t noise = 1U;\n\
             for (int32_t i = 0; i < 640; i++) {{ scales[i] = 0.002f; multipliers[i] = 1099511628; shifts[i] = -8; }}\n\
             for (int32_t i = 0; i < 160000; i++) {{ noise = noise * 1664525U + 1013904223U; x[i] = (int8_t)(noise >> 24); }}\n\
             for (size_t i = 0U; i < sizeof weights; i++) {{ noise = noise * 1664525U + 1013904223U; weights[i] = (int8_t)(noise >> 24); }}\n\
             for (int32_t i = 0; i < 1600; i++) {{ head[i] = weights[i]; }}\n\
             {}    return 0;\n}}\n",
            self.data, self.body
        )
    }
}

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let layers = network();
    let said = |word: &str| arguments.iter().any(|a| a == word);
    let rounding = match () {
        () if said("truncate") => "OUNCE_TRUNCATE",
        () if said("fixed") => "OUNCE_FIXED_POINT",
        () => "OUNCE_NEAREST",
    };
    let target = if said("m4") { Target::CortexM4 } else { Target::CortexM7 };
    let mut program = Program { rounding, ..Program::default() };
    program.forward(&layers);
    let forward_steps = program.steps.len();
    program.backward(&layers);
    let folder = tempfile::tempdir()?;
    let mut build = Build::new(target).flash(4 << 20).ram(4 << 20).stack(16 << 10);
    for flag in arguments.iter().filter(|a| a.starts_with('-')) {
        build = if flag.starts_with("-O") { build.optimize(flag) } else { build.flag(flag) };
    }
    let image = build.text("main.c", program.text()).compile(folder.path())?;
    let report = Run::new().execute(&image, folder.path())?;
    let mut spans = report.spans();
    // Between the two parts two marks follow each other.
    spans.remove(forward_steps);

    let mut kinds: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
    for ((layer, kind, products), span) in program.steps.iter().zip(&spans) {
        let entry = kinds.entry(kind).or_default();
        *entry = (entry.0 + span, entry.1 + products);
        if said("layers") {
            println!("{layer:>5} {kind:<28} {span:>10} {:>6.2}", *span as f64 / (*products).max(1) as f64);
        }
    }
    println!("{:<28} {:>12} {:>12} {:>8}", "kernel", "instructions", "products", "ratio");
    for (kind, (span, products)) in kinds {
        println!("{kind:<28} {span:>12} {products:>12} {:>8.2}", span as f64 / products.max(1) as f64);
    }
    let forward: u64 = spans[..forward_steps].iter().sum();
    println!("inference     {forward:>12}");
    println!("training step {:>12}", spans.iter().sum::<u64>());
    println!("{:?}, stack {} bytes", image.sizes, report.stack_peak);
    Ok(())
}
