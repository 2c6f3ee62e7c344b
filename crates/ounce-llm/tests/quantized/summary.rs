//! What is in a quantized folder, for people.

use super::folder_of;
use ounce_llm::checkpoint::Checkpoint;

#[test]
fn packed_tensors_count_as_the_matrix_that_they_hold() {
    let cases = [
        ("awq-llama", "model.layers.1.mlp.down_proj.weight", [64, 96], "int4 g32 zero"),
        ("gptq-qwen2-8bit", "model.layers.0.self_attn.k_proj.weight", [16, 64], "int8 g32 zero"),
        ("gptq-mistral-channel", "model.layers.0.mlp.up_proj.weight", [96, 64], "int4"),
        ("compressed-mixtral", "model.layers.0.block_sparse_moe.experts.2.w2.weight", [64, 32], "int4 zero"),
        ("compressed-falcon", "transformer.h.0.mlp.dense_4h_to_h.weight", [96, 96], "int4 g48"),
        ("w8a8-llama", "model.layers.0.mlp.gate_proj.weight", [70, 64], "int8 a8"),
        ("w8a8-static-gemma3", "model.layers.0.mlp.gate_proj.weight", [96, 64], "int8 a8"),
    ];
    for (case, name, shape, ty) in cases {
        let checkpoint = Checkpoint::open(&folder_of(case)).unwrap();
        let tensors = checkpoint.tensors();
        let tensor = tensors.iter().find(|tensor| tensor.name == name).unwrap_or_else(|| panic!("{case}"));
        assert_eq!((&tensor.shape[..], tensor.ty.as_str()), (&shape[..], ty), "{case}");
        assert!(tensor.scheme.is_some(), "{case}");
        let file = std::fs::read(folder_of(case).join("model.safetensors")).unwrap();
        let raw = safetensors::SafeTensors::deserialize(&file).unwrap();
        let bytes: usize = raw.tensors().iter().map(|(_, view)| view.data().len()).sum();
        assert_eq!(tensors.iter().map(|tensor| tensor.bytes).sum::<u64>(), bytes as u64, "{case}");
    }
    let awq = Checkpoint::open(&folder_of("awq-llama")).unwrap();
    assert_eq!(awq.quantization().map(|quantization| quantization.method()), Some("awq"));
}

#[test]
fn biases_and_floats_stand_for_themselves() {
    let tensors = Checkpoint::open(&folder_of("gptq-qwen2-8bit")).unwrap().tensors();
    let ty = |name: &str| tensors.iter().find(|tensor| tensor.name == name).map(|tensor| tensor.ty.clone());
    assert_eq!(ty("model.layers.0.self_attn.q_proj.bias").as_deref(), Some("F16"));
    assert_eq!(ty("model.embed_tokens.weight").as_deref(), Some("F16"));
    assert_eq!(ty("model.layers.0.self_attn.q_proj.qweight"), None);
}
