// Package mlxlm is the backend "mlx_lm": Python's mlx-lm in a process of its own.
//
//	import _ "libinference.dev/inference/mlxlm"
//
//	m, err := inference.LoadModel("/path/to/model", inference.WithBackend("mlx_lm"))
//	defer m.Close()
//
// Each model is a child process, python3 with a script that this package brings along; mlx-lm must be
// installed there. The two exchange JSON Lines over the child's stdin and stdout (docs/bridge_protocol.md).
// NewBackend drives any other program that speaks this protocol, such as inference-bridge, which libinference
// installs: an engine in a process of its own, whose end is not the end of this one.
//
//	inference.Register(mlxlm.NewBackend(mlxlm.Config{Name: "inference_bridge", Command: []string{"inference-bridge"}}))
//
// Generations of one model run one after the other, whatever WithParallelSlots says. A loop that is left,
// or whose context ends, returns at once; the child is told to stop, and the next call waits until it
// has. Where the child dies, calls fail with its exit status and the end of its stderr. Close is not
// optional: without it the child lives as long as the program.
//
// The tag nomlxlm leaves the backend out.
package mlxlm
