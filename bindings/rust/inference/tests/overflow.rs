//! Contexts that outgrow their sessions.
mod support;

use inference::{ErrorKind, Event, Finish, GenerateOptions, Prompt, TokenId};
use support::{answer, tiny_model, GREEDY, PROMPT_IDS};

fn greedy(n: usize) -> GenerateOptions {
    GenerateOptions::new().max_tokens(n as i32).ignore_end()
}

/// What new sessions give that are told what is left.
fn wanted(n: usize, capacity: usize, head: usize) -> (Vec<TokenId>, u64, u64) {
    let (mut context, mut ids) = (PROMPT_IDS.to_vec(), Vec::new());
    let (mut dropped, mut overflows) = (0, 0);
    while ids.len() < n {
        if context.len() > capacity {
            let end = context.len() - (capacity - head + 1) / 2;
            dropped += context.drain(head..end).len() as u64;
            overflows += 1;
        }
        let part = (n - ids.len()).min(capacity + 1 - context.len());
        let mut session = tiny_model().new_session().unwrap();
        let more = answer(&mut session, &context[..], &greedy(part)).0;
        context.extend(&more);
        ids.extend(more);
    }
    (ids, dropped, overflows)
}

#[test]
fn a_text_goes_on_past_the_capacity() {
    for (options, head) in [(greedy(50).slide(), 0), (greedy(50).keep_head(6), 6)] {
        let mut session = tiny_model().new_session_with_capacity(16).unwrap();
        let mut generation = session.generate(PROMPT_IDS, &options).unwrap();
        let (mut ids, mut again) = (Vec::new(), 0);
        while let Some(event) = generation.next_event() {
            match event.unwrap() {
                Event::Token(token) if token.id >= 0 => ids.push(token.id),
                Event::Prefill { .. } if !ids.is_empty() => again += 1,
                _ => {}
            }
        }
        let outcome = generation.outcome().unwrap();
        assert_eq!(outcome.finish, Finish::Length);
        assert_eq!((ids.clone(), outcome.dropped_tokens, outcome.overflows), wanted(50, 16, head));
        assert!(outcome.overflows > 2);
        assert_eq!(again, outcome.overflows);
        assert_eq!(ids[..12], GREEDY[..12]); // until it is full
        drop(generation);
        assert!(session.len() <= 16);
    }
}

#[test]
fn a_prompt_that_is_too_long_is_cut() {
    let mut session = tiny_model().new_session_with_capacity(16).unwrap();
    let prompt: Vec<TokenId> = (1..=40).collect();
    answer(&mut session, &prompt[..], &greedy(1).keep_head(4));
    assert_eq!(session.tokens().unwrap(), [&prompt[..4], &prompt[34..]].concat());
}

#[test]
fn a_head_that_does_not_fit_is_refused() {
    let mut session = tiny_model().new_session_with_capacity(16).unwrap();
    for head in [0, 15, u64::MAX] {
        let options = greedy(4).keep_head(head);
        let result = session.generate(Prompt::Tokens(PROMPT_IDS), &options);
        let error = result.and_then(|mut generation| generation.next().expect("an item"));
        let error = error.expect_err("no such head");
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
        assert!(error.to_string().contains("head"), "{error}");
    }
    assert!(session.is_empty());
}
