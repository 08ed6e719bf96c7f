mod support;

use std::thread;

use inference::{Cancel, ErrorKind, Event, Filter, Finish, GenerateOptions, Prompt, TextFlags};
use support::{answer, smollm2, tiny_model, GREEDY, PROMPT, PROMPT_IDS};

fn greedy(n: usize) -> GenerateOptions {
    GenerateOptions::new().max_tokens(n as i32).ignore_end()
}

#[test]
fn text_matches_the_reference() {
    let mut session = tiny_model().new_session().unwrap();
    let (ids, text) = answer(&mut session, PROMPT, &greedy(GREEDY.len()));
    assert_eq!(ids, GREEDY);
    let tokenizer = tiny_model().tokenizer().unwrap();
    // The tiny model has more rows than its tokenizer has tokens; those have no text.
    let mut known = ids;
    known.retain(|&id| (id as usize) < tokenizer.vocab_size());
    assert_eq!(text, tokenizer.decode(&known, TextFlags::SKIP_SPECIAL).unwrap());
    let held = [PROMPT_IDS, &GREEDY[..GREEDY.len() - 1]].concat();
    assert_eq!(session.tokens().unwrap(), held);
}

#[test]
fn tokens_match_the_reference() {
    let mut session = tiny_model().new_session().unwrap();
    assert_eq!(answer(&mut session, PROMPT_IDS, &greedy(8)).0, &GREEDY[..8]);
    let metrics = session.metrics().unwrap();
    assert_eq!((metrics.requests, metrics.generated_tokens), (1, 8));
}

#[test]
fn smollm2_answers_a_chat() {
    let model = match smollm2() {
        Some(model) => model,
        None => return,
    };
    let mut chat = model.tokenizer().unwrap().new_chat().unwrap();
    chat.add("user", "What is the capital of France?").unwrap();
    let mut session = model.new_session().unwrap();
    let (_, text) = answer(&mut session, &chat, &GenerateOptions::new());
    assert_eq!(text, "The capital of France is Paris.");
}

#[test]
fn a_seed_fixes_the_text() {
    let draw = |seed| {
        let options = greedy(16).temperature(1.5).top_k(100).top_p(0.99).min_p(0.001).seed(seed);
        let mut session = tiny_model().new_session().unwrap();
        answer(&mut session, PROMPT, &options.repeat_penalty(1.1)).0
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn stops_bias_and_penalties() {
    let run = |options: GenerateOptions| {
        let mut session = tiny_model().new_session().unwrap();
        let mut generation = session.generate(PROMPT, &options).unwrap();
        let tokens: Vec<_> = generation.by_ref().map(|token| token.unwrap()).collect();
        let text: String = tokens.iter().map(|token| token.text.as_str()).collect();
        let ids: Vec<_> = tokens.iter().map(|token| token.id).filter(|&id| id >= 0).collect();
        (ids, text, generation.outcome().unwrap().finish)
    };
    let whole = run(greedy(30)).1;
    let stop: String = whole.chars().skip(4).take(4).collect();
    let (_, text, finish) = run(greedy(30).stop("not in the text").stop(stop.as_str()));
    assert_eq!((text.as_str(), finish), (&whole[..whole.find(&stop).unwrap()], Finish::StopString));
    let (ids, _, finish) = run(greedy(30).stop_token(GREEDY[5]));
    let first = GREEDY.iter().position(|&id| id == GREEDY[5]).unwrap();
    assert_eq!((ids.as_slice(), finish), (&GREEDY[..first], Finish::StopToken));
    assert_eq!(run(greedy(8).logit_bias(7, 1000.0)).0, [7; 8]);
    let mut ids = run(greedy(30).presence_penalty(100.0).frequency_penalty(1.0)).0;
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30);
    let mut ids = run(greedy(30).presence_penalty(100.0).penalty_window(1)).0;
    ids.dedup();
    assert_eq!(ids.len(), 30);
    let one = |seed| greedy(8).temperature(50.0).typical_p(1e-6).seed(seed);
    let order = [Filter::Typical, Filter::Temperature];
    assert_eq!(run(one(1).filter_order(&order)).0, run(one(2)).0);
    let twice = greedy(8).filter_order(&[Filter::TopK, Filter::TopK]);
    let mut session = tiny_model().new_session().unwrap();
    for options in [twice, greedy(8).stop(""), greedy(8).logprobs(65)] {
        let error = session.generate(PROMPT, &options).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }
}

#[test]
fn log_probabilities() {
    let mut session = tiny_model().new_session().unwrap();
    let options = greedy(4).logprobs(3).prompt_logprobs();
    let mut generation = session.generate(PROMPT_IDS, &options).unwrap();
    let (mut prompt, mut tokens) = (Vec::new(), Vec::new());
    while let Some(event) = generation.next_event() {
        match event.unwrap() {
            Event::Prefill { logprobs, .. } => prompt.extend(logprobs),
            Event::Token(token) if token.id >= 0 => tokens.push(token),
            _ => {}
        }
    }
    drop(generation);
    let ids: Vec<_> = prompt.iter().map(|token| token.id).collect();
    assert_eq!(ids, PROMPT_IDS);
    assert!(prompt[0].logprob.is_nan() && prompt[1].logprob < 0.0);
    assert_eq!(tokens.len(), 4);
    for token in tokens {
        assert_eq!(token.top.len(), 3);
        assert_eq!((token.top[0].id, token.top[0].logprob), (token.id, token.logprob));
        assert!(token.logprob < 0.0 && token.top[1].logprob >= token.top[2].logprob);
    }
}

#[test]
fn events_tell_of_the_prompt_and_the_outcome() {
    let mut session = tiny_model().new_session().unwrap();
    let mut generation = session.generate(PROMPT, &greedy(3)).unwrap();
    let (mut prefill, mut tokens) = ((0, 0), 0);
    while let Some(event) = generation.next_event() {
        match event.unwrap() {
            Event::Prefill { done, total, .. } => prefill = (done, total),
            Event::Token(token) => tokens += (token.id >= 0) as usize, // not the text left at the end
            _ => {}
        }
    }
    assert_eq!((prefill, tokens), ((5, 5), 3));
    let outcome = generation.outcome().unwrap();
    assert_eq!((outcome.finish, outcome.generated_tokens), (Finish::Length, 3));
    assert!(generation.next().is_none());
}

#[test]
fn cancel_stops_within_one_step() {
    let cancel = Cancel::new().unwrap();
    let mut session = tiny_model().new_session().unwrap();
    let options = greedy(200).cancel(&cancel);
    let mut generation = session.generate(PROMPT, &options).unwrap();
    for _ in 0..5 {
        generation.next().unwrap().unwrap();
    }
    let remote = cancel.clone();
    thread::spawn(move || remote.trigger()).join().unwrap();
    let error = generation.next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(generation.outcome().unwrap().finish, Finish::Cancelled);
    assert!(generation.next().is_none());
    drop(generation);
    assert!((9..=10).contains(&session.len()), "{} tokens", session.len());

    let held = session.len();
    let error = answer_error(&mut session, &options); // sticky
    assert_eq!((error, session.len()), (ErrorKind::Cancelled, held));
    cancel.reset();
    assert!(!cancel.is_set());
    assert_eq!(answer(&mut session, " over", &greedy(3).cancel(&cancel)).0.len(), 3);
}

fn answer_error(session: &mut inference::Session, options: &GenerateOptions) -> ErrorKind {
    match session.generate(PROMPT, options) {
        Ok(mut generation) => generation.find_map(Result::err).expect("an error").kind(),
        Err(error) => error.kind(),
    }
}

#[test]
fn dropping_frees_the_session() {
    let mut session = tiny_model().new_session().unwrap();
    session.generate(PROMPT, &greedy(200)).unwrap().next().unwrap().unwrap();
    session.reset().unwrap();
    assert!(session.is_empty());
    assert_eq!(answer(&mut session, PROMPT, &greedy(8)).0, &GREEDY[..8]);
}

#[test]
fn sessions_of_one_model_run_on_different_threads() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                let mut session = tiny_model().new_session().unwrap();
                answer(&mut session, PROMPT, &greedy(GREEDY.len())).0
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), GREEDY);
    }
}

#[test]
fn a_full_context_is_an_outcome() {
    let mut session = tiny_model().new_session_with_capacity(16).unwrap();
    assert_eq!(session.capacity(), 16);
    let mut generation = session.generate(PROMPT, &greedy(100)).unwrap();
    generation.by_ref().for_each(|token| drop(token.unwrap()));
    assert_eq!(generation.outcome().unwrap().finish, Finish::ContextFull);
    drop(generation);
    let result = session.generate(Prompt::Tokens(&[1; 17]), &greedy(1));
    let error = result.and_then(|mut generation| generation.next().expect("an item")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContextFull);
}
