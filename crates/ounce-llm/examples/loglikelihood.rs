//! Scores continuations: `loglikelihood MODEL < items.jsonl`.
//!
//! Each line of input is `{"context": TEXT, "continuation": TEXT}`. Each line of output is `{"logprob": L, "greedy": G, "tokens": N}`: the
//! natural logarithm of the probability of the continuation's N tokens, and whether each of them was the most likely one.
//!
//! The tokens are those of both texts together, and of nothing else; as many of them belong to the context as the context has by itself, and
//! white space between the two counts to the continuation. An empty context stands for the token that begins texts, or ends them where none
//! begins them. All this is as EleutherAI's evaluation harness has it.

use ounce_kernels::{ThreadPool, available_threads};
use ounce_llm::sampling::score;
use ounce_llm::tokenizer::{Special, Tokenizer};
use ounce_llm::{Model, Session, SessionOptions};
use serde::Deserialize;
use std::error::Error;
use std::sync::Arc;

#[derive(Deserialize)]
struct Item {
    context: String,
    continuation: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model] = &arguments[..] else {
        return Err("usage: loglikelihood MODEL < items.jsonl".into());
    };
    let mut pool = ThreadPool::new(available_threads());
    let model = Arc::new(Model::load(model.as_ref(), &mut pool, &mut |_| ())?);
    let vocab_size = model.config().vocab_size;
    let mut session = Session::new(model.clone(), pool, SessionOptions::default())?;
    for line in std::io::stdin().lines() {
        let (tokens, begin) = encode(model.tokenizer(), &serde_json::from_str(&line?)?)?;
        session.reset();
        let (mut logprob, mut greedy) = (0.0, true);
        // The last token is read with the others, as a server does, though nothing after it is scored.
        session.feed_all(&tokens, &mut |first, logits| {
            for (index, row) in (first..).zip(logits.chunks_exact(vocab_size)) {
                if let Some(&next) = tokens.get(index + 1).filter(|_| index + 1 >= begin) {
                    let scored = score(row, next, 1);
                    logprob += f64::from(scored.logprob);
                    greedy &= scored.top.first().is_some_and(|&(_, most)| most == scored.logprob);
                }
            }
        })?;
        println!(
            "{}",
            serde_json::json!({ "logprob": logprob, "greedy": greedy, "tokens": tokens.len() - begin })
        );
    }
    Ok(())
}

/// All tokens of an item, and how many of them are the context's.
fn encode(tokenizer: &Tokenizer, item: &Item) -> Result<(Vec<u32>, usize), Box<dyn Error>> {
    let encode = |text: &str| tokenizer.encode(text, Special::Parse);
    let context = item.context.trim_end();
    let mut tokens = encode(&format!("{}{}", item.context, item.continuation))?;
    let mut begin = encode(context)?.len();
    if context.is_empty() {
        tokens.insert(0, tokenizer.bos().or(tokenizer.eos()).ok_or("no token begins or ends a text")?);
        begin = 1;
    }
    if begin == 0 || begin >= tokens.len() {
        return Err(format!("{context:?} leaves no token to be scored").into());
    }
    Ok((tokens, begin))
}
