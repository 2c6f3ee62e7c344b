//! The life of a session: positions, limits, stopping, forgetting, kinds of cache.

use super::{expected, feed, feed_all, largest_difference, model, session};
use ounce_kernels::ThreadPool;
use ounce_llm::cache::KvType;
use ounce_llm::session::{Session, SessionError, SessionOptions};

#[test]
fn positions_count_tokens_and_can_go_back() {
    let (model, expected) = (model("llama"), expected("llama"));
    let mut session = session(&model, 1);
    let tokens = &expected.tokens;
    let whole = feed(&mut session, tokens);
    assert_eq!(session.position(), tokens.len());
    session.truncate(10);
    session.truncate(15);
    assert_eq!(session.position(), 10);
    feed(&mut session, &[3, 4, 5]);
    session.truncate(10);
    assert!(largest_difference(&feed(&mut session, &tokens[10..]), &whole) < 1e-5);
    session.reset();
    assert_eq!(session.position(), 0);
    assert_eq!(feed(&mut session, tokens), whole);
}

#[test]
fn a_full_context_is_an_error_that_names_the_limit() {
    let model = model("llama");
    let options = |context| SessionOptions { context: Some(context), kv: KvType::F32, ..Default::default() };
    let mut session = Session::new(model.clone(), ThreadPool::new(1), options(8)).unwrap();
    feed(&mut session, &[1; 6]);
    let error = session.feed(&[1; 3], &mut |_| true).unwrap_err();
    assert_eq!(error, SessionError::ContextFull { position: 6, more: 3, limit: 8 });
    assert!(error.to_string().contains("8 tokens"));
    assert_eq!(session.position(), 6);
    feed(&mut session, &[1; 2]);
    assert!(session.feed(&[1], &mut |_| true).is_err());
    for context in [0, 65, usize::MAX] {
        let error = Session::new(model.clone(), ThreadPool::new(1), options(context)).err().unwrap();
        assert_eq!(error, SessionError::Context { asked: context, limit: 64 });
    }
}

#[test]
fn tokens_that_do_not_exist_are_refused() {
    let model = model("llama");
    let mut session = session(&model, 1);
    assert_eq!(session.feed(&[], &mut |_| true).unwrap_err(), SessionError::NoTokens);
    assert_eq!(session.feed_all(&[], &mut |_, _| ()).unwrap_err(), SessionError::NoTokens);
    let error = session.feed(&[0, 61], &mut |_| true).unwrap_err();
    assert_eq!(error, SessionError::UnknownToken { token: 61, index: 1, vocab_size: 61 });
    assert_eq!(session.position(), 0);
}

#[test]
fn half_precision_caches_stay_close() {
    let (model, expected) = (model("mistral-window"), expected("mistral-window"));
    let options = SessionOptions { kv: KvType::F16, ..Default::default() };
    let mut half = Session::new(model.clone(), ThreadPool::new(2), options).unwrap();
    let difference = largest_difference(&feed_all(&mut half, &expected.tokens), &expected.logits);
    assert!(difference > 0.0 && difference < 0.01, "{difference}");
    assert!(half.cache_bytes() < session(&model, 1).cache_bytes());
}

#[test]
fn a_session_gives_its_threads_back() {
    let model = model("llama");
    let mut session = session(&model, 2);
    assert_eq!(session.pool_mut().threads(), 2);
    assert_eq!(session.into_pool().threads(), 2);
}
