mod support;

use inference::{Adapter, Config, ErrorKind, GenerateOptions};
use support::{answer, tiny_folder, tiny_model, GREEDY, PROMPT};

fn peft() -> Adapter {
    tiny_model().load_adapter(tiny_folder().join("adapter-peft"), &Config::new(), None).unwrap()
}

#[test]
fn an_adapter_tells_what_it_is() {
    let info = peft().info().unwrap();
    assert_eq!((info.format.as_str(), info.max_rank), ("peft", 8));
    assert_eq!(info.modules, 2 * info.layers);
    assert_eq!(info.hash.len(), 32);
    assert!(info.parameters > 0 && info.bytes >= 4 * info.parameters);
    let error = tiny_model().load_adapter("/nowhere", &Config::new(), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(peft().null(1, 0.0, 1.0).unwrap_err().kind(), ErrorKind::Argument);
}

#[test]
fn sessions_and_requests_run_under_adapters() {
    let options = GenerateOptions::new().max_tokens(8).ignore_end();
    let noise = peft().null(1, 0.5, 1.0).unwrap();
    let mut session = tiny_model().new_session().unwrap();
    session.set_adapters(&[(noise.clone(), 1.0)]).unwrap();
    let adapted = answer(&mut session, PROMPT, &options).0;
    assert_ne!(adapted, &GREEDY[..8]);
    let mut other = tiny_model().new_session().unwrap();
    let with = options.clone().adapters(&[(noise, 1.0)]);
    assert_eq!(answer(&mut other, PROMPT, &with).0, adapted);
    session.set_adapters(&[]).unwrap();
    assert!(session.is_empty());
    assert_eq!(answer(&mut session, PROMPT, &options).0, &GREEDY[..8]);
}
