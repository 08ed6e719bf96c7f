// Package inference is the contract between backends that run language models and the programs that
// use them. It has no dependency, needs no cgo and compiles on every platform.
//
// A backend registers itself when its package is imported:
//
//	import (
//		"libinference.dev/inference"
//		_ "libinference.dev/inference/opencl" // libinference, on any OpenCL device
//		_ "libinference.dev/inference/mlxlm"  // Python's mlx-lm, in a process of its own
//	)
//
// Then:
//
//	m, err := inference.LoadModel("/path/to/model")
//	defer m.Close()
//	for tok := range m.Generate(ctx, "Once upon a time", inference.WithMaxTokens(64)) {
//		fmt.Print(tok.Text)
//	}
//	if err := m.Err(); err != nil { ... } // nil at the end of the text and at MaxTokens
//
// Chat does the same for a conversation, Classify gives the one token that follows each of many
// prompts, BatchGenerate continues many prompts at once.
//
// Leaving the loop, or ending ctx, stops a generation. After an ended context Err is the context's
// error; after a loop that was left it is nil.
package inference
