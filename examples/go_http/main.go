// A service that streams answers as they are generated:
//
//	go run . model.gguf 127.0.0.1:8080
//	curl -N -d 'What is the capital of France?' '127.0.0.1:8080/chat?max_tokens=64'
//
// Requests that come at the same time share the steps of one model, and each gets the text that it gets alone.
// A client that goes away ends its generation. Ctrl-C and SIGTERM end them all.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"libinference.dev/inference/opencl"
)

const (
	maxBody   = 1 << 20 // bytes of a question
	maxTokens = 256     // of an answer, unless the query says so
	slots     = 8       // requests that share a step
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go_http MODEL ADDRESS")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve runs until ctx ends.
func serve(ctx context.Context, path, address string) error {
	runtime, err := opencl.NewRuntime(opencl.RuntimeConfig{})
	if err != nil {
		return err
	}
	defer runtime.Close()
	model, err := runtime.LoadModel(ctx, path, opencl.LoadConfig{Options: map[string]any{"parallel_slots": slots}})
	if err != nil {
		return err
	}
	defer model.Close()
	tokenizer, err := model.Tokenizer()
	if err != nil {
		return err
	}
	defer tokenizer.Close()

	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	server := &http.Server{
		Handler:     handler(model, tokenizer),
		BaseContext: func(net.Listener) context.Context { return ctx }, // its end ends the generations
	}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return server.Shutdown(context.Background()) // waits for handlers, before the model goes
}

func handler(model *opencl.Model, tokenizer *opencl.Tokenizer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /chat", func(w http.ResponseWriter, r *http.Request) {
		question, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n := maxTokens
		if text := r.URL.Query().Get("max_tokens"); text != "" {
			if n, err = strconv.Atoi(text); err != nil || n < 1 {
				http.Error(w, fmt.Sprintf("max_tokens: is %q, want a number of at least 1", text), http.StatusBadRequest)
				return
			}
		}
		chat, err := tokenizer.NewChat()
		if err == nil {
			defer chat.Close()
			err = chat.Add("user", string(question))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		stream(w, r, model, chat, opencl.WithMaxTokens(n))
	})
	return mux
}

// stream answers with the text as it comes. An error in the middle cuts the connection, so that no client takes
// half an answer for one.
func stream(w http.ResponseWriter, r *http.Request, model *opencl.Model, prompt opencl.Prompt, options ...opencl.GenerateOption) {
	session, err := model.NewSession(opencl.SessionConfig{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer session.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flusher := http.NewResponseController(w)
	sent := false
	for token, err := range session.Generate(r.Context(), prompt, options...) {
		if err != nil && !sent {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if _, err := io.WriteString(w, token.Text); err != nil {
			return // leaving the loop ends the generation
		}
		if err := flusher.Flush(); err != nil {
			return
		}
		sent = true
	}
}
