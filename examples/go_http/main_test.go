package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"libinference.dev/inference/opencl"
)

func server(t *testing.T) (*httptest.Server, *opencl.Runtime) {
	t.Helper()
	runtime, err := opencl.NewRuntime(opencl.RuntimeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	model, err := runtime.LoadModel(context.Background(), "../../tests/data/golden/tiny/llama-gqa/model",
		opencl.LoadConfig{Options: map[string]any{"parallel_slots": slots}})
	if err != nil {
		t.Fatal(err)
	}
	tokenizer, err := model.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler(model, tokenizer))
	t.Cleanup(func() {
		s.Close() // waits for the handlers
		tokenizer.Close()
		model.Close()
		runtime.Close()
	})
	return s, runtime
}

func post(t *testing.T, ctx context.Context, url, question string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(question))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func text(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}

func TestAnswersAreTheSameAloneAndTogether(t *testing.T) {
	s, _ := server(t)
	questions := []string{"What is the capital of France?", "Hi", "naïve 東京", "one two three"}
	alone := make([]string, len(questions))
	for i, question := range questions {
		alone[i] = text(t, post(t, context.Background(), s.URL+"/chat?max_tokens=40", question))
	}
	if alone[0] == "" || alone[0] == alone[1] {
		t.Errorf("%q, %q", alone[0], alone[1])
	}
	var group sync.WaitGroup
	for i, question := range questions {
		group.Add(1)
		go func() {
			defer group.Done()
			if got := text(t, post(t, context.Background(), s.URL+"/chat?max_tokens=40", question)); got != alone[i] {
				t.Errorf("%q: %q, alone %q", question, got, alone[i])
			}
		}()
	}
	group.Wait()
}

func TestTheTextIsStreamed(t *testing.T) {
	s, _ := server(t)
	response := post(t, context.Background(), s.URL+"/chat?max_tokens=40", "Hi")
	if len(response.TransferEncoding) != 1 || response.TransferEncoding[0] != "chunked" {
		t.Errorf("transfer encoding is %v", response.TransferEncoding)
	}
	reads, block := 0, make([]byte, 1<<16) // a read returns a chunk at most
	for {
		n, err := response.Body.Read(block)
		if n > 0 {
			reads++
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if reads < 2 {
		t.Errorf("%d reads", reads)
	}
}

func TestAClientThatGoesAwayEndsItsGeneration(t *testing.T) {
	s, runtime := server(t)
	ctx, cancel := context.WithCancel(context.Background())
	response := post(t, ctx, s.URL+"/chat?max_tokens=100000", "Hi")
	if _, err := response.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	s.Close() // returns once the handler has
	metrics, err := runtime.MetricsJSON()
	var counted struct{ Requests, Cancelled int }
	if err == nil {
		err = json.Unmarshal([]byte(metrics), &counted)
	}
	if counted.Requests != 1 || counted.Cancelled != 1 || err != nil {
		t.Errorf("%+v, %v", counted, err)
	}
}

func TestMistakes(t *testing.T) {
	s, _ := server(t)
	for url, status := range map[string]int{
		"/chat?max_tokens=none": http.StatusBadRequest,
		"/chat?max_tokens=0":    http.StatusBadRequest,
		"/dance":                http.StatusNotFound,
	} {
		if got := post(t, context.Background(), s.URL+url, "Hi"); got.StatusCode != status {
			t.Errorf("%s: %s, want %d", url, got.Status, status)
		}
	}
	long := post(t, context.Background(), s.URL+"/chat", strings.Repeat("x ", 2000))
	if got := text(t, long); long.StatusCode != http.StatusInternalServerError || !strings.Contains(got, "512") {
		t.Errorf("%s: %s", long.Status, got)
	}
}
