//! Two sides at once are what each scores alone.

mod support;

use inference::{AdapterUse, Config, DiffOptions, ErrorKind, Pooling};
use support::{tiny_folder, tiny_model};

fn peft() -> AdapterUse {
    let path = tiny_folder().join("adapter-peft");
    (tiny_model().load_adapter(path, &Config::new(), None).unwrap(), 1.0)
}

#[test]
fn a_diff_is_what_each_side_scores() {
    let model = tiny_model();
    let under = [peft()];
    let options = DiffOptions { top_k: 3, ..DiffOptions::default() };
    let texts = ["The quick brown fox jumps"];
    let diffs = model.diff(&texts, &[], &under, &options, None).unwrap();
    let diff = diffs[0].as_ref().unwrap();
    let mut session = model.new_session().unwrap();
    let base = session.score_rolling(&diff.ids, 0, 0).unwrap();
    session.set_adapters(&under).unwrap();
    let adapted = session.score_rolling(&diff.ids, 0, 0).unwrap();
    assert_eq!(diff.positions.len(), diff.ids.len() - 1);
    for (i, position) in diff.positions.iter().enumerate() {
        assert_eq!(position.base, base.logprobs[i]);
        assert_eq!(position.adapted, adapted.logprobs[i]);
        assert!(position.kl > 0.0 && position.kl_reverse > 0.0);
        assert!(position.js > 0.0 && f64::from(position.js) <= std::f64::consts::LN_2);
        assert_eq!(position.moved.len(), 3);
    }
    assert!((diff.adapted_logprob - adapted.total).abs() < 1e-9);
    assert!(diff.mean_kl > 0.0 && diff.max_kl >= diff.mean_kl);

    let last = DiffOptions { last_only: true, top_k: 8, ..DiffOptions::default() };
    let same = model.diff(&texts, &under, &under, &last, None).unwrap();
    let same = same[0].as_ref().unwrap();
    assert_eq!((same.positions.len(), same.max_kl, same.max_js), (1, 0.0, 0.0));
    assert!(same.positions[0].base.is_nan() && same.positions[0].moved.is_empty());
    let wrong = DiffOptions { top_k: 65, ..DiffOptions::default() };
    let error = model.diff(&texts, &[], &under, &wrong, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
}

#[test]
fn classes_and_vectors_under_adapters() {
    let model = tiny_model();
    let under = [peft()];
    let (prompts, labels) = (["The quick brown"], [" fox", " dog"]);
    let plain = model.classify(&prompts, &labels, &[], None).unwrap();
    let classes = model.classify(&prompts, &labels, &under, None).unwrap();
    let logprobs = &classes[0].as_ref().unwrap().logprobs;
    assert_ne!(logprobs, &plain[0].as_ref().unwrap().logprobs);
    let mut session = model.new_session().unwrap();
    session.set_adapters(&under).unwrap();
    let scores = session.score_many(prompts[0], &labels, None).unwrap();
    assert!((f64::from(logprobs[0]) - scores[0].as_ref().unwrap().total).abs() < 1e-5);
    let base = model.embed(&prompts, Pooling::Last, &[], None).unwrap();
    let vectors = model.embed(&prompts, Pooling::Last, &under, None).unwrap();
    assert_ne!(vectors[0].as_ref().unwrap(), base[0].as_ref().unwrap());
}
