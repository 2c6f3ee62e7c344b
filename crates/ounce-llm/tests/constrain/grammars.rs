//! What is refused, and the life of a constraint.

use ounce_llm::constrain::{Constraint, ConstraintError, ConstraintFactory, Grammar, GrammarError};
use serde_json::json;

use crate::{allowed, tokenizer};

fn factory() -> ConstraintFactory {
    ConstraintFactory::new(&tokenizer("bpe.gguf")).unwrap()
}

#[test]
fn faults_are_named() {
    let schema = |schema| Grammar::json_schema(schema);
    let factory = factory();
    for (grammar, part) in [
        (schema(json!({"type": "strin"})), "strin"),
        (schema(json!({"type": "object", "properties": {"a": {"not": {}}}})), "not"),
        (schema(json!({"type": "array", "uniqueItems": true})), "uniqueItems"),
        (schema(json!({"$ref": "#/$defs/missing"})), "missing"),
        (schema(json!({"$ref": "https://example.com/schema"})), "example.com"),
        (
            schema(json!({"type": "integer", "minimum": 5, "maximum": 4})),
            "minimum (5) is greater than maximum (4)",
        ),
        (schema(json!({"type": "string", "pattern": "(a"})), "(a"),
        (schema(json!({"type": "string", "pattern": "(?=a)b"})), "(?=a)b"),
        (schema(json!({"properties": 3})), "properties"),
        (schema(json!(false)), "false"),
        (schema(json!([1])), "object"),
        (schema(json!({"type": "integer", "multipleOf": 982_451_653})), "982451653"),
        (schema(json!({"type": "number", "multipleOf": 1e-12})), "1e-12"),
        (
            schema(
                json!({"allOf": [{"type": "integer", "multipleOf": 9973}, {"multipleOf": 9967}, {"multipleOf": 9949}]}),
            ),
            "9949",
        ),
        (schema(json!({"$ref": "#"})), "no token can follow"),
        (Grammar::Regex("(a".to_owned()), "(a"),
        (Grammar::Lark("begin: \"a\"".to_owned()), "start"),
        (Grammar::Lark("start: missing".to_owned()), "missing"),
        (Grammar::Choice(Vec::new()), "no string"),
        (Grammar::Choice(vec![String::new()]), "no string"),
    ] {
        match factory.compile(&grammar).map(|_| ()) {
            Err(GrammarError::Invalid { problem, .. }) => {
                assert!(problem.contains(part), "{grammar:?}: {problem}");
                assert!(!problem.contains("backtrace") && problem.len() < 500, "{problem}");
            }
            other => panic!("{grammar:?}: {other:?}"),
        }
    }
}

#[test]
fn a_lenient_schema_warns() {
    let factory = factory();
    let mut constraint = factory
        .compile(&Grammar::lenient_json_schema(json!({"type": "array", "uniqueItems": true})))
        .unwrap();
    assert!(
        constraint.warnings().iter().any(|warning| warning.contains("uniqueItems")),
        "{:?}",
        constraint.warnings()
    );
}

#[test]
fn a_refused_token_changes_nothing_and_all_ends_complete() {
    let tokenizer = tokenizer("bpe.gguf");
    let ends: Vec<u32> =
        (0..tokenizer.vocab_size() as u32).filter(|&id| tokenizer.is_end_of_generation(id)).collect();
    let id = |text: &str| tokenizer.token_to_id(text).unwrap();
    let fresh = factory().compile(&Grammar::Regex("ab*".to_owned())).unwrap();
    let mut constraint = fresh.clone();
    for wrong in [id("b"), ends[0], u32::MAX, tokenizer.vocab_size() as u32] {
        assert_eq!(constraint.accept(wrong), Err(ConstraintError::NotAllowed(wrong)));
    }
    constraint.accept(id("a")).unwrap();
    assert!(constraint.may_end() && !constraint.is_complete());
    let next = allowed(&mut constraint, &tokenizer);
    assert!(ends.iter().all(|end| next.contains(end)) && next.contains(&id("b")));
    for &end in &ends {
        let mut constraint = constraint.clone();
        constraint.accept(end).unwrap();
        assert!(constraint.is_complete() && constraint.may_end());
        assert_eq!(allowed(&mut constraint, &tokenizer), ends);
        constraint.accept(ends[0]).unwrap();
        assert_eq!(constraint.accept(id("b")), Err(ConstraintError::NotAllowed(id("b"))));
    }
    // Clones go their own ways.
    constraint.accept(id("b")).unwrap();
    assert!(!fresh.is_complete() && allowed(&mut fresh.clone(), &tokenizer).contains(&id("a")));
}

#[test]
fn constraints_and_factories_cross_threads() {
    fn crosses<T: Send>() {}
    fn is_shared<T: Send + Sync + Clone>() {}
    crosses::<Constraint>();
    is_shared::<ConstraintFactory>();
}
