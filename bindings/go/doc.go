// Package inference runs language models on OpenCL devices through libinference.
//
//	runtime, err := inference.NewRuntime(inference.RuntimeConfig{})
//	model, err := runtime.LoadModel(ctx, "model.gguf", inference.LoadConfig{})
//	session, err := model.NewSession(inference.SessionConfig{})
//	for token, err := range session.Generate(ctx, inference.Text("Once upon a time")) {
//		if err != nil {
//			return err
//		}
//		fmt.Print(token.Text)
//	}
//
// Ownership: every object has Close, which may be called more than once and in any order: a child
// keeps what it needs of its parent. The garbage collector closes what was forgotten, but it does not
// see device memory: close models and sessions.
//
// Threads: Runtime, Model and Tokenizer may be used by many goroutines at once. Session and Chat serve
// one call at a time; a second one gets ErrBusy. A session is busy while a loop over Generate runs.
//
// Cancel: ending the context of LoadModel, Generate or Logits, or leaving the loop over Generate, stops
// the engine within one token, or one chunk of a long prompt. The session then holds exactly the tokens
// that were computed, and can be used again.
//
// The package finds the library by pkg-config (inference.pc).
package inference
