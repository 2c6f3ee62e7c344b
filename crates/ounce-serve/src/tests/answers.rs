//! Answers are right, and the same in any company.

use super::{ask, model, options, router, stream};
use ounce_kernels::ThreadPool;
use ounce_llm::sampling::Pcg32;
use ounce_llm::{Session, SessionOptions, Stream};
use serde_json::{Value, json};

/// Prompts of many lengths, of which some begin alike, some long.
fn prompts(count: usize) -> Vec<Vec<u32>> {
    let mut random = Pcg32::new(3);
    let vocab_size = model().config().vocab_size as u32;
    let common: Vec<u32> = (0..30).map(|_| random.below(vocab_size)).collect();
    (0..count)
        .map(|i| {
            let own = 1 + random.below(if i % 5 == 0 { 30 } else { 12 });
            let kept = if i % 2 == 0 { random.below(30) as usize } else { 0 };
            common[..kept].iter().copied().chain((0..own).map(|_| random.below(vocab_size))).collect()
        })
        .collect()
}

fn body(prompt: &[u32], number: usize) -> Value {
    json!({
        "prompt": prompt, "max_tokens": 5 + number % 30, "temperature": if number.is_multiple_of(3) { 0.0 } else { 1.0 },
        "seed": number, "logprobs": 2, "echo": number % 4 == 1, "n": 1 + number % 2,
    })
}

async fn company(stream: Option<Stream>) {
    let with = |slots| {
        let mut options = options(slots);
        options.engine.stream = stream;
        options
    };
    let bodies: Vec<Value> = prompts(40).iter().enumerate().map(|(i, prompt)| body(prompt, i)).collect();
    let alone = router(with(1));
    let mut expected = Vec::new();
    for body in &bodies {
        // A fresh text for each: nothing is left of the one before.
        expected.push(ask(&alone, "/v1/completions", body).await["choices"].clone());
    }
    let together = router(with(6));
    let tasks: Vec<_> = bodies
        .iter()
        .map(|body| {
            let (together, body) = (together.clone(), body.clone());
            tokio::spawn(async move { ask(&together, "/v1/completions", &body).await["choices"].clone() })
        })
        .collect();
    for (number, (task, expected)) in tasks.into_iter().zip(expected).enumerate() {
        assert_eq!(task.await.unwrap(), expected, "request {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_do_not_depend_on_company() {
    company(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_streams_do_not_depend_on_company() {
    company(Some(Stream { sinks: 4, window: 24, chunk: 8 })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_are_those_of_a_session() {
    let model = model();
    let prompt = &prompts(1)[0];
    let body = json!({"prompt": prompt, "max_tokens": 0, "echo": true, "logprobs": 1});
    let answer = ask(&router(options(2)), "/v1/completions", &body).await;
    let choice = &answer["choices"][0];
    assert_eq!(choice["text"], model.tokenizer().decode(prompt));
    let found = choice["logprobs"]["token_logprobs"].as_array().unwrap();
    let mut session = Session::new(model.clone(), ThreadPool::new(1), SessionOptions::default()).unwrap();
    let mut rows = Vec::new();
    session.feed_all(prompt, &mut |_, logits| rows.extend_from_slice(logits)).unwrap();
    assert_eq!((found.len(), &found[0]), (prompt.len(), &Value::Null));
    for (i, row) in rows.chunks(model.config().vocab_size).enumerate().take(prompt.len() - 1) {
        let total: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
        let expected = f64::from(row[prompt[i + 1] as usize]) - total.ln();
        assert!((found[i + 1].as_f64().unwrap() - expected).abs() < 1e-4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gives_in_pieces_what_an_answer_gives_at_once() {
    let router = router(options(4));
    let chat = json!({"messages": [{"role": "user", "content": "HALLO"}], "max_tokens": 20, "seed": 5, "n": 2,
        "logprobs": true, "stream_options": {"include_usage": true}});
    let whole = ask(&router, "/v1/chat/completions", &chat).await;
    let pieces = stream(&router, "/v1/chat/completions", &chat).await;
    for index in 0..2 {
        let of_choice = || {
            let choices = pieces.iter().flat_map(|piece| piece["choices"].as_array().unwrap());
            choices.filter(move |choice| choice["index"] == index)
        };
        let text: String = of_choice().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
        assert_eq!(whole["choices"][index]["message"]["content"], text);
        let scores: Vec<&Value> =
            of_choice().filter_map(|choice| choice["logprobs"]["content"].as_array()).flatten().collect();
        assert_eq!(json!(scores), whole["choices"][index]["logprobs"]["content"]);
        assert_eq!(
            of_choice().next_back().unwrap()["finish_reason"],
            whole["choices"][index]["finish_reason"]
        );
    }
    let usage = &pieces.last().unwrap()["usage"];
    for field in ["prompt_tokens", "completion_tokens", "total_tokens"] {
        assert_eq!(usage[field], whole["usage"][field]);
    }

    let completion =
        json!({"prompt": ["ONE", "TWO"], "max_tokens": 7, "seed": 1, "echo": true, "logprobs": 0});
    let whole = ask(&router, "/v1/completions", &completion).await;
    let pieces = stream(&router, "/v1/completions", &completion).await;
    for index in 0..2 {
        let of_choice: Vec<&Value> = pieces
            .iter()
            .map(|piece| &piece["choices"][0])
            .filter(|choice| choice["index"] == index)
            .collect();
        let text: String = of_choice.iter().filter_map(|choice| choice["text"].as_str()).collect();
        assert_eq!(whole["choices"][index]["text"], text);
        for field in ["tokens", "token_logprobs", "text_offset"] {
            let joined: Vec<&Value> = of_choice
                .iter()
                .filter_map(|choice| choice["logprobs"][field].as_array())
                .flatten()
                .collect();
            assert_eq!(json!(joined), whole["choices"][index]["logprobs"][field], "{field}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_changes_the_answer() {
    let router = router(options(2));
    let text = async |more: Value| {
        let mut body = json!({"prompt": "ABC", "max_tokens": 12, "temperature": 0});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = ask(&router, "/v1/completions", &body).await;
        let choice = answer["choices"][0].clone();
        (choice["text"].as_str().unwrap().to_owned(), choice["finish_reason"].clone())
    };
    let (plain, reason) = text(json!({})).await;
    assert_eq!(reason, "length");
    let stop: String = plain.chars().skip(3).take(3).collect();
    let (stopped, reason) = text(json!({"stop": [stop]})).await;
    assert_eq!((stopped.as_str(), &reason), (&plain[..plain.find(&stop).unwrap()], &json!("stop")));
    // A token that is always taken.
    let (biased, _) = text(json!({"logit_bias": {"7": 100}, "temperature": 0})).await;
    assert_eq!(biased, model().tokenizer().decode(&[7; 12]));
    let (penalised, _) = text(json!({"logit_bias": {"7": 50}, "frequency_penalty": 2})).await;
    assert_eq!(penalised.len(), biased.len(), "a bias of 50 outweighs 12 penalties of 2");
    let one = text(json!({"temperature": 1.5, "seed": 11})).await;
    assert_eq!(one, text(json!({"temperature": 1.5, "seed": 11})).await);
    assert_ne!(one, text(json!({"temperature": 1.5, "seed": 12})).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_keep_their_form() {
    let router = router(options(2));
    let mut chat =
        json!({"messages": [{"role": "user", "content": "HALLO"}], "max_tokens": 40, "n": 3, "seed": 5});
    chat["response_format"] = json!({"type": "regex", "regex": "[A-F]{3}-[0-9]+;"});
    let answer = ask(&router, "/v1/chat/completions", &chat).await;
    for choice in answer["choices"].as_array().unwrap() {
        let text = choice["message"]["content"].as_str().unwrap();
        let digits = text[4..].trim_end_matches(';');
        assert!(
            text[..3].bytes().all(|byte| (b'A'..=b'F').contains(&byte)) && text[3..].starts_with('-'),
            "{text}"
        );
        assert!(!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()), "{text}");
        assert_eq!((text.ends_with(';'), &choice["finish_reason"]), (true, &json!("stop")), "{text}");
    }
    chat["response_format"] = json!({"type": "choice", "choice": ["XYZ", "UVW"]});
    let answer = ask(&router, "/v1/chat/completions", &chat).await;
    for choice in answer["choices"].as_array().unwrap() {
        assert!(["XYZ", "UVW"].contains(&choice["message"]["content"].as_str().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_have_length_one_and_do_not_depend_on_company() {
    let router = router(options(3));
    let prompts = prompts(9);
    let together = ask(&router, "/v1/embeddings", &json!({"input": prompts})).await;
    for (index, prompt) in prompts.iter().enumerate() {
        let alone = ask(&router, "/v1/embeddings", &json!({"input": prompt})).await;
        assert_eq!(alone["data"][0]["embedding"], together["data"][index]["embedding"]);
        assert_eq!(together["data"][index]["index"], index);
        let vector = alone["data"][0]["embedding"].as_array().unwrap();
        assert_eq!(vector.len(), model().config().hidden);
        let length: f64 = vector.iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }
    let tokens: usize = prompts.iter().map(Vec::len).sum();
    assert_eq!(together["usage"]["prompt_tokens"], tokens);
}

/// Tokens of prompts that were read, of those that were sent, by all of these answers.
fn read(answers: &[Value]) -> (u64, u64) {
    let sum =
        |field: &dyn Fn(&Value) -> &Value| answers.iter().map(|answer| field(answer).as_u64().unwrap()).sum();
    let sent: u64 = sum(&|answer| &answer["usage"]["prompt_tokens"]);
    let cached: u64 = sum(&|answer| &answer["usage"]["prompt_tokens_details"]["cached_tokens"]);
    assert!(cached <= sent);
    (sent - cached, sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prompts_have_in_common_is_read_once() {
    let router = router(options(8));
    let mut random = Pcg32::new(9);
    let common: Vec<u32> = (0..50).map(|_| random.below(60)).collect();
    let tasks: Vec<_> = (0..8)
        .map(|i| {
            let prompt: Vec<u32> = common.iter().copied().chain([i, 7, i]).collect();
            let (router, body) =
                (router.clone(), json!({"prompt": prompt, "max_tokens": 3, "temperature": 0}));
            tokio::spawn(async move { ask(&router, "/v1/completions", &body).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    let (read, sent) = read(&answers);
    assert_eq!(sent, 8 * 53);
    assert!(read <= 53 + 7 * 3, "{read} tokens of {sent} were read");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_keep_different_beginnings_do_not_hold_each_other_up() {
    let mut options = options(3);
    options.engine.stream = Some(Stream { sinks: 4, window: 40, chunk: 8 });
    let router = router(options);
    let (system, user) = ("ABCDEFGHIJ", "THE QUICK BROWN FOX JUMPS OVER IT");
    let text = json!({"prompt": format!("{system}{user}"), "max_tokens": 2});
    let chat = json!({"max_tokens": 2, "messages": [
        {"role": "system", "content": system}, {"role": "user", "content": user}]});
    let mut answers = vec![ask(&router, "/v1/completions", &text).await];
    let tasks: Vec<_> = (0..6)
        .map(|i| {
            let router = router.clone();
            let (path, body) =
                if i % 2 == 0 { ("/v1/chat/completions", &chat) } else { ("/v1/completions", &text) };
            let body = body.clone();
            tokio::spawn(async move { ask(&router, path, &body).await })
        })
        .collect();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    read(&answers);
}
