//! Many texts in one call: each result is that of the text alone.

mod support;

use inference::{ErrorKind, Pooling};
use support::tiny_model;

#[test]
fn many_texts_are_each_alone() {
    let model = tiny_model();
    let completions = [" fox jumps", " dog", ""];
    let mut session = model.new_session().unwrap();
    let scores = session.score_many("The quick brown", &completions, None).unwrap();
    let first = scores[0].as_ref().unwrap();
    assert!((first.total + 25.073009580602).abs() < 1e-3, "{}", first.total);
    assert_eq!(scores[2].as_ref().unwrap_err().kind(), ErrorKind::Argument);

    let prompts = ["The quick brown", "Once upon a time"];
    let classes = model.classify(&prompts, &completions[..2], &[], None).unwrap();
    let class = classes[0].as_ref().unwrap();
    for (logprob, score) in class.logprobs.iter().zip(&scores) {
        assert!((f64::from(*logprob) - score.as_ref().unwrap().total).abs() < 1e-4);
    }
    assert_eq!(class.text, completions[class.label.unwrap()]);
    let tokens = model.classify::<_, &str>(&prompts, &[], &[], None).unwrap();
    assert!(tokens[1].as_ref().unwrap().token.is_some());

    for vector in model.embed(&prompts, Pooling::Mean, &[], None).unwrap() {
        let sum: f64 = vector.unwrap().iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }
    assert!(model.embed::<&str>(&[], Pooling::Last, &[], None).unwrap().is_empty());
}
