//! TinyEngine's training graph gives what its kernels give, bit for bit.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, HashMap};

use ounce_formats::mcunet::{Operator, Parameters, TrainingGraph, scales};
use ounce_formats::pickle::Checkpoint;
use ounce_graph::{DType, Tensor};
use ounce_import::Limits;
use ounce_import::mcunet::{Imported, McunetError, Published, import_device};
use support::{data, executed};

/// Graph, parameters and scales as published.
fn published() -> Option<(TrainingGraph, Parameters, BTreeMap<String, f64>)> {
    let read = |name: &str| Some(std::fs::read(data(&format!("tiny/{name}"))?).unwrap());
    let graph = TrainingGraph::parse(&read("49kb-int8-graph.json")?).unwrap();
    let parameters = Checkpoint::open(&data("tiny/full-int8-params.pkl")?).unwrap();
    let parameters = Parameters::read(&parameters).unwrap();
    Some((graph, parameters, scales(&read("scale.json")?).unwrap()))
}

fn imported(
    graph: &TrainingGraph,
    parameters: &Parameters,
    scales: &BTreeMap<String, f64>,
) -> Result<Imported, McunetError> {
    import_device(Published { graph, parameters, scales }, false, Limits::default())
}

/// The kernels of TinyEngine, as their source says, on images with channels first.
struct Kernels<'a> {
    parameters: &'a Parameters,
    values: HashMap<String, Vec<i8>>,
}

impl Kernels<'_> {
    fn bytes(&self, name: &str) -> Vec<i8> {
        self.parameters.arrays[name].to_i8s().unwrap()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.parameters.arrays[name].to_f32s().unwrap()
    }

    fn zero(&self, operator: &Operator, i: usize) -> i32 {
        i32::from(self.bytes(&operator.inputs[i].name)[0])
    }

    /// `convolve_1x1_s8_fpreq` and its likes: sums of 32 bits, multiplied, cut off, moved, clamped.
    fn conv(&self, operator: &Operator) -> Vec<i8> {
        let name = |i: usize| &operator.inputs[i].name;
        let (x, w) = (&self.values[name(0)], self.bytes(name(1)));
        let bias = self.parameters.arrays[name(2)].to_i32s().unwrap();
        let (x_zero, y_zero, factors) =
            (self.zero(operator, 3), self.zero(operator, 4), self.floats(name(5)));
        let ([_, _, height, width], [outputs, inner, kh, kw]) = (
            operator.inputs[0].shape[..].try_into().unwrap(),
            operator.inputs[1].shape[..].try_into().unwrap(),
        );
        let [_, _, rows, columns]: [usize; 4] = operator.outputs[0].shape[..].try_into().unwrap();
        let (height, width): (usize, usize) = (height, width);
        let (outputs, inner, kh, kw): (usize, usize, usize, usize) = (outputs, inner, kh, kw);
        let groups = operator.attrs.groups.unwrap() as usize;
        let stride = operator.attrs.strides.as_ref().unwrap()[0] as usize;
        let padding = operator.attrs.padding.as_ref().unwrap()[0] as usize;
        let mut y = Vec::with_capacity(outputs * rows * columns);
        for o in 0..outputs {
            let first = o / (outputs / groups) * inner;
            for at in 0..rows * columns {
                let mut sum = bias[o];
                for tap in 0..kh * kw {
                    let iy = (at / columns * stride + tap / kw).wrapping_sub(padding);
                    let ix = (at % columns * stride + tap % kw).wrapping_sub(padding);
                    if iy >= height || ix >= width {
                        continue;
                    }
                    for i in 0..inner {
                        let pixel = x[((first + i) * height + iy) * width + ix];
                        let weight = w[(o * inner + i) * kh * kw + tap];
                        sum = sum.wrapping_add((i32::from(pixel) - x_zero) * i32::from(weight));
                    }
                }
                let scaled = (sum as f32 * factors[o]) as i32;
                y.push((scaled + y_zero).clamp(-128, 127) as i8);
            }
        }
        y
    }

    /// `add_fpreq`.
    fn add(&self, operator: &Operator) -> Vec<i8> {
        let name = |i: usize| &operator.inputs[i].name;
        let zero = |i: usize| self.zero(operator, i) as f32;
        let scale = |i: usize| self.floats(name(i))[0];
        let pairs = self.values[name(0)].iter().zip(&self.values[name(1)]);
        pairs
            .map(|(a, b)| {
                let a = (f32::from(*a) - zero(2)) * scale(4);
                let b = (f32::from(*b) - zero(3)) * scale(5);
                let rounded = f64::from((a + b) / scale(7) + zero(6)).round() as i32;
                rounded.clamp(-128, 127) as i8
            })
            .collect()
    }

    /// `avg_pooling` over the whole image.
    fn mean(&self, operator: &Operator) -> Vec<i8> {
        let area = operator.inputs[0].shape[2..].iter().product::<usize>();
        let mean = |plane: &[i8]| {
            let sum: i32 = plane.iter().map(|x| i32::from(*x)).sum();
            let half = (area / 2) as i32;
            ((if sum > 0 { sum + half } else { sum - half }) / area as i32) as i8
        };
        self.values[&operator.inputs[0].name].chunks(area).map(mean).collect()
    }

    /// The results of all convolutions in order, the logits last.
    fn run(mut self, graph: &TrainingGraph, image: &[i8]) -> Vec<Vec<i8>> {
        let mut results = Vec::new();
        self.values.insert(graph.operators[0].inputs[0].name.clone(), image.to_vec());
        for operator in graph.operators.iter().take_while(|operator| operator.op != "cast") {
            let y = match operator.op.as_str() {
                "nn.mcuconv2d" => self.conv(operator),
                "nn.mcuadd" => self.add(operator),
                "mcumean" => self.mean(operator),
                _ => self.values[&operator.inputs[0].name].clone(),
            };
            if operator.op == "nn.mcuconv2d" {
                results.push(y.clone());
            }
            self.values.insert(operator.outputs[0].name.clone(), y);
        }
        results
    }
}

#[test]
fn the_published_graph_is_that_of_the_kernels() {
    let Some((graph, parameters, scales)) = published() else { return };
    let imported = imported(&graph, &parameters, &scales).unwrap();
    assert_eq!(imported.convs.len(), 42);
    let mut with_outputs = imported.graph.clone();
    for (i, site) in imported.convs.iter().enumerate() {
        with_outputs.output(&format!("conv {i}"), site.output).unwrap();
    }
    for seed in 0..2u32 {
        let pixel = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 977) >> 21) as u8 as i8;
        let image: Vec<i8> = (0..3 * 128 * 128).map(pixel).collect();
        let kernels = Kernels { parameters: &parameters, values: HashMap::new() };
        let expected = kernels.run(&graph, &image);
        let found = executed(&with_outputs, &[("image", &Tensor::i8(&[1, 3, 128, 128], image).unwrap())]);
        for (i, expected) in expected[..42].iter().enumerate() {
            assert_eq!(found[&format!("conv {i}")].as_i8().unwrap(), expected, "convolution {i}");
        }
        assert_eq!(found["logits"].as_i8().unwrap(), expected[42]);
        assert!(expected[42].iter().any(|x| *x != expected[42][0]), "{:?}", expected[42]);
    }
}

#[test]
fn scales_of_weights_are_those_of_the_factors() {
    let Some((graph, parameters, scales)) = published() else { return };
    let imported = imported(&graph, &parameters, &scales).unwrap();
    let site = &imported.convs[24];
    let factors = parameters.arrays["v9_conv_0_scale"].to_f32s().unwrap();
    for (factor, scale) in factors.iter().zip(&site.weight_scales) {
        let computed = f64::from(*scale) * site.input.scale / site.quantization.scale;
        assert!((computed / f64::from(*factor) - 1.0).abs() < 1e-6, "{computed} {factor}");
    }
    assert_eq!(imported.graph.shape(site.weight), [144, 48, 1, 1]);
    assert_eq!(imported.graph.ty(imported.features).dtype, DType::I8);
}

#[test]
fn graphs_that_do_not_fit_are_refused() {
    let Some((graph, parameters, scales)) = published() else { return };
    let refused = |graph: &TrainingGraph, parameters: &Parameters, scales: &BTreeMap<String, f64>| {
        imported(graph, parameters, scales).unwrap_err().to_string()
    };
    let mut fewer = parameters.clone();
    fewer.arrays.remove("v3_conv_0_bias");
    let error = refused(&graph, &fewer, &scales);
    assert!(error.contains("v3_conv_0_bias") && error.contains("nn.mcuconv2d@"), "{error}");
    let error = refused(&graph, &parameters, &BTreeMap::new());
    assert!(error.contains("v0_x_scale"), "{error}");
    let mut other = graph.clone();
    other.operators[4].op = "exp".to_owned();
    let error = refused(&other, &parameters, &scales);
    assert!(error.contains("exp is no operator of a forward pass"), "{error}");
    let mut short = graph.clone();
    short.operators.truncate(10);
    assert!(refused(&short, &parameters, &scales).contains("classifier"));
    let mut padded = graph.clone();
    padded.operators[0].attrs.padding = Some(vec![-1; 4]);
    assert!(refused(&padded, &parameters, &scales).contains("padding"));
    let limits = Limits { total_bytes: 1 << 16, ..Limits::default() };
    let published = Published { graph: &graph, parameters: &parameters, scales: &scales };
    let error = import_device(published, false, limits).unwrap_err();
    assert!(matches!(error, McunetError::Limit(_)), "{error}");
}
