//! A small network of MCUNetV3, and pictures that it can tell.

use super::Machine;
use std::fs;

/// Bytes that look random.
fn bytes(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// An array as numpy pickles it, in protocol 0.
fn array(kind: &str, shape: &[usize], data: &[u8]) -> String {
    let shape: String = shape.iter().map(|extent| format!("I{extent}\n")).collect();
    let data: String = data.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    format!(
        "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n({shape}t\
         cnumpy\ndtype\n(S'{kind}'\nI00\nI01\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'{data}'\ntb"
    )
}

/// A convolution of images of `size` (0: the classifier).
fn conv(inputs: usize, outputs: usize, kernel: usize, stride: usize, depthwise: bool, size: usize) -> String {
    let groups = if depthwise { inputs } else { 1 };
    let shape = [outputs, inputs / groups, kernel, kernel];
    let weights: Vec<u8> = bytes(inputs as u32 * 31 + outputs as u32, shape.iter().product());
    let scales: Vec<u8> = (0..outputs).flat_map(|_| 0.006f32.to_le_bytes()).collect();
    let taps = (shape[1] * kernel * kernel) as f64;
    let sizes = match size {
        0 => "S'in_shape'\nNS'out_shape'\nN".to_owned(),
        _ => format!("S'in_shape'\nI{size}\nS'out_shape'\nI{}\n", size.div_ceil(stride)),
    };
    format!(
        "(S'in_channel'\nI{inputs}\nS'out_channel'\nI{outputs}\n{sizes}S'kernel_size'\nI{kernel}\nS'stride'\nI{stride}\n\
         S'groups'\nI{groups}\nS'act'\nNS'params'\n(S'weight'\n{}S'bias'\n{}S'w_scales'\n{}S'x_scale'\nF0.03\n\
         S'x_zero'\nI-5\nS'y_scale'\nF{}\nS'y_zero'\nI-5\ndd",
        array("i1", &shape, &weights),
        array("i4", &[outputs], &vec![0; 4 * outputs]),
        array("f4", &[outputs], &scales),
        0.02 * taps.sqrt(),
    )
}

/// A first convolution, an inverted bottleneck and a classifier, for pictures of 12 x 12.
pub(crate) fn network() -> String {
    format!(
        "(S'first_conv'\n{}S'blocks'\n((S'pointwise1'\n{}S'depthwise'\n{}S'pointwise2'\n{}S'residual'\nNS'se'\nNdlS'feature_mix'\nNS'classifier'\n{}d.",
        conv(3, 6, 3, 2, false, 12),
        conv(6, 12, 1, 1, false, 6),
        conv(12, 12, 3, 1, true, 6),
        conv(12, 8, 1, 1, false, 6),
        conv(8, 5, 1, 1, false, 0),
    )
}

/// Another network of the same shapes: one weight of the first convolution differs.
pub(crate) fn other_network() -> String {
    let text = network();
    let weights = text.find("S'weight'").unwrap();
    let at = weights + text[weights..].find("\\x").unwrap();
    let byte = if &text[at..at + 4] == "\\x11" { "\\x12" } else { "\\x11" };
    format!("{}{byte}{}", &text[..at], &text[at + 4..])
}

/// Puts other pictures in the place of those of a part: the same, read from the end.
pub(crate) fn other_digits(machine: &Machine, part: &str) {
    let path = machine.path(&format!("data/digits/{part}-images-idx3-ubyte"));
    let mut pictures = fs::read(&path).unwrap();
    pictures[16..].reverse();
    fs::write(&path, pictures).unwrap();
}

/// Files of MNIST: dark (3), grey (7) and light (8) noise. The network's clamps are no activation functions, so it tells no shapes.
pub(crate) fn digits(machine: &Machine, part: &str, count: u32) {
    let (mut pictures, mut labels) = (vec![0, 0, 8, 3], vec![0, 0, 8, 1]);
    pictures.extend([count, 12, 12].map(u32::to_be_bytes).concat());
    labels.extend(count.to_be_bytes());
    for index in 0..count {
        let class = [3, 7, 8][index as usize % 3];
        labels.push(class);
        let noise = bytes(index + part.len() as u32 * 1000, 144);
        let light = [20, 100, 180][index as usize % 3];
        pictures.extend(noise.iter().map(|noise| light + noise / 4));
    }
    fs::create_dir_all(machine.path("data/digits")).unwrap();
    machine.data(&format!("digits/{part}-images-idx3-ubyte"), pictures);
    machine.data(&format!("digits/{part}-labels-idx1-ubyte"), labels);
}

/// A network of `conformance/tiny`, for pictures of 12 x 12.
pub(crate) fn of_file(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/tiny");
    fs::read(folder.join(name)).unwrap()
}

/// Whether programs can be simulated here; says so if not.
pub(crate) fn simulation_is_possible() -> bool {
    let missing = ounce_tiny::simulate::missing_tools();
    missing.iter().for_each(|tool| eprintln!("skipped: no {}", tool.program()));
    missing.is_empty()
}
