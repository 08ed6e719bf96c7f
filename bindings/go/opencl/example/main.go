//go:build cgo && !noopencl

// Streams a model's answer to a question:
//
//	go run ./opencl/example model.gguf "What is the capital of France?"
//
// With a seed as a third argument the answer is drawn at temperature 1, else the likeliest one is taken.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"

	"libinference.dev/inference/opencl"
)

func main() {
	if len(os.Args) != 3 && len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: example MODEL QUESTION [SEED]")
		os.Exit(2)
	}
	var options []opencl.GenerateOption
	if len(os.Args) == 4 {
		seed, err := strconv.ParseUint(os.Args[3], 10, 64)
		if err != nil {
			fmt.Fprintln(os.Stderr, "SEED:", err)
			os.Exit(2)
		}
		options = append(options, opencl.WithTemperature(1), opencl.WithSeed(seed))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C ends the answer
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2], options); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, path, question string, options []opencl.GenerateOption) error {
	runtime, err := opencl.NewRuntime(opencl.RuntimeConfig{})
	if err != nil {
		return err
	}
	defer runtime.Close()
	model, err := runtime.LoadModel(ctx, path, opencl.LoadConfig{})
	if err != nil {
		return err
	}
	defer model.Close()
	tokenizer, err := model.Tokenizer()
	if err != nil {
		return err
	}
	defer tokenizer.Close()
	chat, err := tokenizer.NewChat()
	if err != nil {
		return err
	}
	defer chat.Close()
	if err := chat.Add("user", question); err != nil {
		return err
	}
	session, err := model.NewSession(opencl.SessionConfig{})
	if err != nil {
		return err
	}
	defer session.Close()

	var result opencl.Result
	for token, err := range session.Generate(ctx, chat, append(options, opencl.WithResult(&result))...) {
		if err != nil {
			return err
		}
		fmt.Print(token.Text)
	}
	fmt.Printf("\n\n%d tokens, %.1f tok/s, finish: %s\n", result.GeneratedTokens, result.DecodeTokS, result.Finish)
	return nil
}
