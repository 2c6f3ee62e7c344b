//! Networks of TensorFlow Lite and ONNX as networks that learn (`conformance/tiny/make_networks.py`).

#![allow(clippy::unwrap_used)]

mod support;

use ounce_formats::mcunet::Quantization;
use ounce_graph::ops::{
    Op, QuantizedConv2d, QuantizedDense, QuantizedGlobalAvgPool, QuantizedSgd, Requantize, Window,
};
use ounce_graph::{DType, Graph, Tensor, TensorType, ValueId, differentiate, evaluate};
use ounce_import::ConvSite;
use ounce_tiny::emit::EmitOptions;
use ounce_tiny::learn::Prepared;
use ounce_tiny::rehearsal::{RehearsalError, emit_training};
use ounce_tiny::scheme::Scheme;
use ounce_tiny::step::{Head, Network, StepError, StepOptions, inference, training_step};
use support::Random;
use support::float_twin::float_twin;
use support::learning::{FILES, of_file, read_file};

/// A picture of some brightness.
fn picture(seed: u64, batch: usize) -> Tensor {
    let mut random = Random(seed);
    let light = random.between(-90, 60);
    let pixels = (0..batch * 432).map(|_| (light + random.between(-30, 60)) as i8);
    Tensor::i8(&[batch, 3, 12, 12], pixels.collect()).unwrap()
}

#[test]
fn convolutions_are_numbered_and_the_classifier_is_the_last() {
    for name in FILES {
        let network = of_file(name);
        assert_eq!((network.conv_count(), network.classes(), network.first), (4, 5, 0), "{name}");
        assert_eq!(network.image().unwrap(), &TensorType::new(DType::I8, &[1, 3, 12, 12]));
        assert_eq!(network.graph.shape(network.features), [1, 16, 1, 1]);
        let shapes: Vec<&[usize]> =
            network.convs.iter().map(|site| network.graph.shape(site.weight)).collect();
        assert_eq!(shapes, [[8, 3, 3, 3], [8, 1, 3, 3], [8, 8, 1, 1], [16, 8, 1, 1]], "{name}");
        for (at, site) in network.convs.iter().chain([&network.classifier]).enumerate() {
            assert_eq!(network.graph.value(site.weight).name, format!("conv{at}.weight"));
            assert_eq!(network.graph.value(site.bias).name, format!("conv{at}.bias"));
        }
        // Wherever a clamp may be an activation, what it clamped is known.
        let masks = network.graph.nodes().iter().filter(|node| node.outputs.len() == 2).count();
        assert_eq!(masks, 4 + 1 + 1, "{name}");
    }
}

#[test]
fn a_recognized_network_infers_as_the_file() {
    for name in FILES {
        let (mut graph, convs) = read_file(name);
        let network = Network::recognize(&graph, &convs).unwrap();
        graph.clear_outputs();
        graph.output("logits", convs.last().unwrap().output).unwrap();
        let input = graph.value(graph.inputs()[0]).name.clone();
        let mut own = network.graph.clone();
        own.clear_outputs();
        own.output("logits", network.classifier.output).unwrap();
        for seed in 0..10 {
            let x = picture(seed, 1);
            let expected = evaluate(&graph, &[(&input, &x)]).unwrap().outputs["logits"].clone();
            assert_eq!(evaluate(&own, &[("image", &x)]).unwrap().outputs["logits"], expected, "{name}");
            let bytes = expected.as_i8().unwrap();
            for head in [Head::Int8, Head::Float] {
                let graph = inference(&network, head).unwrap();
                let logits = evaluate(&graph, &[("image", &x)]).unwrap().outputs["logits"].clone();
                let Quantization { scale, zero } = network.classifier.quantization;
                for (logit, byte) in logits.as_f32().unwrap().iter().zip(bytes) {
                    let expected = (f64::from(*byte) - f64::from(zero)) * scale;
                    let clamped = matches!(byte, -128 | 127);
                    assert!(
                        clamped || (f64::from(*logit) - expected).abs() < 0.51 * scale,
                        "{name} {head:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn scales_are_those_that_sums_are_requantized_by() {
    for name in FILES {
        let network = of_file(name);
        let step = training_step(&network, &Scheme::full(4), &StepOptions::default()).unwrap();
        let factors = |id: ValueId| {
            let name = &network.graph.value(id).name;
            let update = step.nodes().iter().find(|node| {
                matches!(node.op, Op::QuantizedSgd(_)) && step.value(node.inputs[0]).name == *name
            });
            let Op::QuantizedSgd(QuantizedSgd { factor, .. }) = &update.unwrap().op else { panic!() };
            factor.clone()
        };
        for site in network.convs.iter().chain([&network.classifier]) {
            let (at, _) = network.graph.producer(site.output).unwrap();
            let Op::QuantizedConv2d(op) = &network.graph.nodes()[at].op else { panic!("no convolution") };
            assert_eq!(
                (op.x_zero, op.y_zero),
                (i32::from(site.input.zero), i32::from(site.quantization.zero))
            );
            let requantize = op.requantize.factors();
            let outputs = network.graph.shape(site.bias)[0];
            assert_eq!((requantize.len(), site.weight_scales.len()), (outputs, outputs));
            let (weights, biases) = (factors(site.weight), factors(site.bias));
            for (channel, scale) in site.weight_scales.iter().enumerate() {
                let near = |found: f32, expected: f64| (f64::from(found) / expected - 1.0).abs() < 1e-5;
                let sum = f64::from(*scale) * site.input.scale;
                assert!(near(requantize[channel], sum / site.quantization.scale), "{name}");
                assert!(near(weights[channel], f64::from(*scale).powi(-2)), "{name}");
                assert!(near(biases[channel], sum.powi(-2)), "{name}");
            }
        }
    }
}

#[test]
fn a_new_classifier_replaces_the_old_one_and_nothing_else() {
    for name in FILES {
        let old = of_file(name);
        let new = old.with_classes(3, 9).unwrap();
        assert_eq!((new.classes(), new.conv_count()), (3, 4));
        assert_eq!(new.graph.shape(new.classifier.weight), [3, 16, 1, 1]);
        assert_eq!(new.classifier.input, old.classifier.input);
        assert_eq!(new.classifier.quantization, Quantization { scale: 1.0, zero: 0 });
        let (at, _) = new.graph.producer(new.classifier.output).unwrap();
        let Op::QuantizedConv2d(op) = &new.graph.nodes()[at].op else { panic!("no convolution") };
        let expected: Vec<f32> = new
            .classifier
            .weight_scales
            .iter()
            .map(|scale| (f64::from(*scale) * new.classifier.input.scale) as f32)
            .collect();
        assert_eq!(op.requantize, Requantize::Float(expected));
        assert_eq!(op.x_zero, i32::from(old.classifier.input.zero));
        let features = |network: &Network| {
            let mut graph = network.graph.clone();
            graph.clear_outputs();
            graph.output("features", network.features).unwrap();
            evaluate(&graph, &[("image", &picture(3, 1))]).unwrap().outputs["features"].clone()
        };
        assert_eq!(features(&new), features(&old));
        let kept = |network: &Network| -> Vec<(String, Tensor)> {
            let all = network.parameters().filter(|(name, _)| !name.starts_with("conv4"));
            all.map(|(name, value)| (name.to_owned(), value.clone())).collect()
        };
        assert_eq!(kept(&new), kept(&old));
        assert_eq!(kept(&new).len(), 8);
    }
}

#[test]
fn a_batch_is_its_pictures() {
    for name in FILES {
        let single = of_file(name).with_classes(3, 1).unwrap();
        let graph = |network: &Network| inference(network, Head::Float).unwrap();
        let (one, three) = (graph(&single), graph(&single.with_batch(3).unwrap()));
        let pictures = picture(5, 3);
        let all = evaluate(&three, &[("image", &pictures)]).unwrap().outputs["logits"].clone();
        assert_eq!(all.shape(), [3, 3]);
        for (at, pixels) in pictures.as_i8().unwrap().chunks(432).enumerate() {
            let picture = Tensor::i8(&[1, 3, 12, 12], pixels.to_vec()).unwrap();
            let own = evaluate(&one, &[("image", &picture)]).unwrap().outputs["logits"].clone();
            assert_eq!(own.as_f32().unwrap(), &all.as_f32().unwrap()[3 * at..][..3], "{name}");
        }
        let prepared = Prepared::new(&single, 2, 3).unwrap();
        assert_eq!(prepared.frozen.outputs().len(), 2, "the sum needs two values");
        training_step(&prepared.network, &Scheme::last(4, 2), &StepOptions::default()).unwrap();
    }
}

/// Gradients of all parameters, and the loss.
fn gradients(graph: &Graph, loss: ValueId, names: &[String], given: &[(&str, &Tensor)]) -> Vec<Tensor> {
    let wrt: Vec<ValueId> = names.iter().map(|name| graph.named(name).unwrap()).collect();
    let result = differentiate(graph, loss, &wrt).unwrap();
    let mut graph = result.graph;
    graph.clear_outputs();
    graph.output("loss", loss).unwrap();
    for (name, id) in names.iter().zip(&result.gradients) {
        graph.output(name, *id).unwrap();
    }
    let outputs = evaluate(&graph, given).unwrap().outputs;
    names.iter().chain([&"loss".to_owned()]).map(|name| outputs[name].clone()).collect()
}

#[test]
fn gradients_are_those_of_the_network_in_floats() {
    for name in FILES {
        let network = of_file(name).with_classes(3, 1).unwrap();
        let mut graph = network.graph.clone();
        graph.clear_outputs();
        let scale = |weight: &f32| (f64::from(*weight) * network.classifier.input.scale) as f32;
        let op = QuantizedDense {
            x_zero: network.classifier.input.zero.into(),
            scale: network.classifier.weight_scales.iter().map(scale).collect(),
        };
        let sites = &network.classifier;
        let logits = graph.apply(op, &[network.features, sites.weight, sites.bias]).unwrap();
        let logits = graph.flatten(logits, 1).unwrap();
        let label = graph.input("label", TensorType::new(DType::I32, &[1])).unwrap();
        let loss = graph.cross_entropy(logits, label).unwrap();
        let (twin, twin_loss) = float_twin(&graph, loss);
        let names: Vec<String> = network.parameters().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names.len(), 10);
        // Of all pictures: the products of both, and of each with itself.
        let mut products = vec![[0.0f64; 3]; names.len() + 1];
        for seed in 0..12 {
            let x = picture(seed, 1);
            let floats = x.as_i8().unwrap().iter().map(|x| f32::from(*x)).collect();
            let floats = Tensor::f32(x.shape(), floats).unwrap();
            let label = Tensor::i32(&[1], vec![seed as i32 % 3]).unwrap();
            let found = gradients(&graph, loss, &names, &[("image", &x), ("label", &label)]);
            let expected = gradients(&twin, twin_loss, &names, &[("image", &floats), ("label", &label)]);
            for ((found, expected), products) in found.iter().zip(&expected).zip(&mut products) {
                for (a, b) in found.as_f32().unwrap().iter().zip(expected.as_f32().unwrap()) {
                    let (a, b) = (f64::from(*a), f64::from(*b));
                    [a * b, a * a, b * b].iter().zip(&mut *products).for_each(|(term, sum)| *sum += term);
                }
            }
        }
        for (at, [both, own, other]) in products.into_iter().enumerate() {
            let what = names.get(at).map_or("loss", |name| name.as_str());
            // Activations are rounded in the one and not in the other.
            let (cosine, ratio) = (both / (own * other).sqrt(), (own / other).sqrt());
            println!("{name} {what}: cosine {cosine:.4}, length {ratio:.4}");
            assert!(cosine > 0.985 && (ratio - 1.0).abs() < 0.05, "{name} {what}: {cosine} {ratio}");
        }
    }
}

/// A convolution of random weights, and what is known of it.
fn conv(graph: &mut Graph, x: ValueId, outputs: usize, kernel: usize, window: Window) -> ConvSite {
    let shape = [outputs, graph.shape(x)[1], kernel, kernel];
    let count: usize = shape.iter().product();
    let weight = Random(count as u64).i8s(count as i32);
    let weight = graph.constant(Tensor::i8(&shape, weight).unwrap());
    let bias = graph.constant(Tensor::i32(&[outputs], vec![0; outputs]).unwrap());
    let quantization = Quantization { scale: 0.05, zero: -128 };
    let op = QuantizedConv2d {
        window,
        groups: 1,
        x_zero: -128,
        y_zero: -128,
        requantize: Requantize::Float(vec![0.01]),
        low: -128,
        high: 127,
        save_mask: false,
    };
    let output = graph.apply(op, &[x, weight, bias]).unwrap();
    ConvSite { weight, bias, output, weight_scales: vec![0.01; outputs], input: quantization, quantization }
}

#[test]
fn what_a_device_cannot_train_is_named_with_what_it_can() {
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::new(DType::I8, &[1, 3, 9, 9])).unwrap();
    let dilated = Window { dilation: [2, 2], before: [2, 2], after: [2, 2], ..Window::default() };
    let first = conv(&mut graph, x, 4, 1, Window::default());
    let second = conv(&mut graph, first.output, 4, 3, dilated);
    let third = conv(&mut graph, second.output, 6, 1, Window::default());
    let pooled = graph.apply(QuantizedGlobalAvgPool, &[third.output]).unwrap();
    let last = conv(&mut graph, pooled, 3, 1, Window::default());
    graph.output("y", last.output).unwrap();
    let sites = [first, second, third, last];
    let network = Network::recognize(&graph, &sites).unwrap();
    let emitted =
        |scheme: &Scheme| emit_training(&network, scheme, &StepOptions::default(), &EmitOptions::default());
    // Gradients stop at the dilated one, of which the bias is trained.
    emitted(&Scheme::bias_only(2)).unwrap();
    emitted(&Scheme::last(3, 1)).unwrap();
    for scheme in [Scheme::bias_only(3), Scheme::last(3, 2), Scheme::full(3)] {
        let error = emitted(&scheme).unwrap_err();
        assert!(matches!(error, RehearsalError::NoKernel(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains("dilation") && text.contains("bias:2 or last:1 at most"), "{text}");
    }
    // The executor has these gradients.
    training_step(&network, &Scheme::full(3), &StepOptions::default()).unwrap();
}

#[test]
fn what_has_no_gradient_is_named_with_what_lies_behind_it() {
    let (graph, convs) = read_file("small.tflite");
    let mut network = Network::recognize(&graph, &convs).unwrap();
    // As one that was imported for inference.
    network.graph.clear_outputs();
    network.graph.output("logits", network.classifier.output).unwrap();
    network.graph = ounce_graph::passes::dead_code(&network.graph).unwrap();
    let graph = network.graph.clone();
    let site = |site: &ConvSite, at: usize| {
        let weight = graph.named(&format!("conv{at}.weight")).unwrap();
        let node = graph.nodes().iter().find(|node| node.inputs.get(1) == Some(&weight)).unwrap();
        ConvSite { weight, bias: node.inputs[2], output: node.outputs[0], ..site.clone() }
    };
    network.convs = network.convs.iter().enumerate().map(|(at, conv)| site(conv, at)).collect();
    network.classifier = site(&network.classifier, 4);
    let (at, _) = graph.producer(network.classifier.output).unwrap();
    network.features = graph.nodes()[at].inputs[0];
    let error = training_step(&network, &Scheme::bias_only(2), &StepOptions::default()).unwrap_err();
    assert!(
        matches!(&error, StepError::Gradient { reach, .. } if (reach.biases, reach.weights) == (0, 0)),
        "{error}"
    );
    training_step(&network, &Scheme::bias_only(0), &StepOptions::default()).unwrap();
}

#[test]
fn what_is_no_classifier_is_refused() {
    let refused = |graph: &Graph, convs: &[ConvSite], words: &[&str]| {
        let error = Network::recognize(graph, convs).unwrap_err().to_string();
        words.iter().for_each(|word| assert!(error.contains(word), "{error}"));
    };
    let (mut graph, convs) = read_file("small.tflite");
    graph.output("again", convs[0].output).unwrap();
    refused(&graph, &convs, &["2 outputs"]);
    graph.clear_outputs();
    graph.output("image", convs[1].output).unwrap();
    refused(&graph, &convs, &["no classifier", "1 x 1"]);
    let (graph, _) = read_file("small.tflite");
    refused(&graph, &[], &["scales"]);
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::new(DType::I8, &[1, 3, 4, 4])).unwrap();
    let y = graph.apply(QuantizedGlobalAvgPool, &[x]).unwrap();
    graph.output("y", y).unwrap();
    refused(&graph, &[], &["quantized_global_avg_pool", "dense"]);
    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::new(DType::I8, &[2, 3, 1, 1])).unwrap();
    let site = conv(&mut graph, x, 3, 1, Window::default());
    graph.output("y", site.output).unwrap();
    refused(&graph, &[site], &["no classifier"]);
}
