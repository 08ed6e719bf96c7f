// Package opencl runs language models on OpenCL devices through libinference. Importing it registers the backend
// "opencl":
//
//	import _ "libinference.dev/inference/opencl"
//
//	m, err := inference.LoadModel("model.gguf", inference.WithBackend("opencl"))
//
// NewBackend gives a backend of other settings. What the contract of package inference has no words for
// (scores, embeddings, log-probabilities, forks of sessions, memory) is the rest of this package, the whole API of
// the library:
//
//	runtime, err := opencl.NewRuntime(opencl.RuntimeConfig{})
//	model, err := runtime.LoadModel(ctx, "model.gguf", opencl.LoadConfig{})
//	session, err := model.NewSession(opencl.SessionConfig{})
//	for token, err := range session.Generate(ctx, opencl.Text("Once upon a time")) {
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
// The package finds the library by pkg-config (inference.pc). With CGO_ENABLED=0, or the tag noopencl, it needs
// neither, and has nothing but a backend that is not available.
package opencl
