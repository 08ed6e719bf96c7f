//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"libinference.dev/inference/opencl"
)

func TestDevices(t *testing.T) {
	rt, err := sharedRuntime()
	if err != nil {
		t.Fatal(err)
	}
	devices, err := rt.Devices()
	if err != nil || len(devices) == 0 {
		t.Fatalf("%d devices, %v", len(devices), err)
	}
	defaults := 0
	for _, device := range devices {
		if device.Name == "" || device.MemoryBytes == 0 || device.ComputeUnits == 0 {
			t.Errorf("incomplete: %+v", device)
		}
		if device.IsDefault {
			defaults++
		}
	}
	if defaults != 1 {
		t.Errorf("%d default devices, want 1", defaults)
	}
}

func TestModelInfo(t *testing.T) {
	info, err := tinyModel(t).Info()
	if err != nil {
		t.Fatal(err)
	}
	if info.Architecture != "llama" || info.Format != "safetensors" || info.VocabSize == 0 || info.ContextLength == 0 {
		t.Errorf("info is %+v", info)
	}
}

func TestTokenizer(t *testing.T) {
	want := loadGolden(t)
	tokenizer, err := opencl.LoadTokenizer(filepath.Join(tinyFolder, "model"))
	if err != nil {
		t.Fatal(err)
	}
	defer tokenizer.Close()
	for _, p := range want.Prompts {
		ids, err := tokenizer.Encode(p.Text, opencl.AddSpecial)
		if err != nil || !slices.Equal(ids, p.IDs) {
			t.Errorf("%q: ids are %v, want %v (%v)", p.Text, ids, p.IDs, err)
		}
		text, err := tokenizer.Decode(p.IDs, opencl.SkipSpecial)
		if err != nil || text != p.Decoded {
			t.Errorf("%q: text is %q, want %q (%v)", p.Text, text, p.Decoded, err)
		}
	}
	if ids, err := tokenizer.Encode("", 0); err != nil || len(ids) != 0 {
		t.Errorf("empty text: %v, %v", ids, err)
	}
	if tokenizer.BOS() != want.Prompts[0].IDs[0] || tokenizer.VocabSize() == 0 {
		t.Errorf("bos is %d, want %d; %d tokens", tokenizer.BOS(), want.Prompts[0].IDs[0], tokenizer.VocabSize())
	}
	if eos := tokenizer.EOS(); eos >= 0 && !tokenizer.IsEnd(eos) {
		t.Errorf("eos %d does not end a text", eos)
	}
	if _, err := tokenizer.Decode([]int32{1 << 30}, 0); !errors.Is(err, opencl.ErrArgument) {
		t.Errorf("decoding an id outside the vocabulary gave %v, want ErrArgument", err)
	}
	if bytes, err := tokenizer.TokenBytes(want.Prompts[0].IDs[1]); err != nil || len(bytes) == 0 {
		t.Errorf("token bytes: %q, %v", bytes, err)
	}
}

func TestChatRendersTemplate(t *testing.T) {
	tokenizer := tokenizerOf(t, tinyModel(t))
	chat, err := tokenizer.NewChat()
	if err != nil {
		t.Fatal(err)
	}
	defer chat.Close()
	for _, want := range loadGolden(t).Chats {
		if err := chat.Clear(); err != nil {
			t.Fatal(err)
		}
		if err := chat.AddJSON(string(want.Messages)); err != nil {
			t.Fatal(err)
		}
		text, ids, err := chat.Render(true)
		if err != nil || text != want.Text || !slices.Equal(ids, want.IDs) {
			t.Errorf("text %q, want %q; ids %v, want %v (%v)", text, want.Text, ids, want.IDs, err)
		}
	}
	if err := chat.SetTemplate("{{ raise_exception('no ' + what) }}"); err != nil {
		t.Fatal(err)
	}
	if err := chat.SetVariablesJSON(`{"what": "cats"}`); err != nil {
		t.Fatal(err)
	}
	if _, _, err := chat.Render(true); !errors.Is(err, opencl.ErrTemplate) || !strings.Contains(err.Error(), "no cats") {
		t.Errorf("error is %v, want ErrTemplate with the template's text", err)
	}
}

func TestLogitsHaveARowAToken(t *testing.T) {
	model := tinyModel(t)
	info, err := model.Info()
	if err != nil {
		t.Fatal(err)
	}
	session := newSession(t, model)
	ctx, cancel := context.WithCancel(context.Background())
	logits, err := session.Logits(ctx, []int32{1, 2, 3})
	if err != nil || len(logits) != 3*info.VocabSize {
		t.Errorf("%d logits, want %d (%v)", len(logits), 3*info.VocabSize, err)
	}
	if ids, err := session.Tokens(); err != nil || !slices.Equal(ids, []int32{1, 2, 3}) {
		t.Errorf("session holds %v (%v)", ids, err)
	}
	cancel()
	if _, err := session.Logits(ctx, []int32{4}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	metrics, err := session.Metrics()
	if err != nil || metrics.KVBytes == 0 {
		t.Errorf("metrics are %+v (%v)", metrics, err)
	}
}

func TestAForkGoesOnApart(t *testing.T) {
	session := newSession(t, tinyModel(t))
	ctx := context.Background()
	if _, err := session.Logits(ctx, []int32{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	fork, err := session.Fork()
	if err != nil {
		t.Fatal(err)
	}
	defer fork.Close()
	if err := session.Truncate(1); err != nil || session.Len() != 1 || fork.Len() != 3 {
		t.Fatalf("lengths are %d and %d (%v), want 1 and 3", session.Len(), fork.Len(), err)
	}
	rest, err := session.Logits(ctx, []int32{2, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	last, err := fork.Logits(ctx, []int32{4})
	if err != nil || !slices.Equal(last, rest[2*len(rest)/3:]) {
		t.Errorf("the fork's logits are others (%v)", err)
	}
	if err := session.Truncate(5); err == nil || session.Len() != 4 {
		t.Errorf("error is %v, the session holds %d", err, session.Len())
	}
}

func TestScoresAreThoseOfTheGoldenFile(t *testing.T) {
	session := newSession(t, tinyModel(t))
	ctx, cancel := context.WithCancel(context.Background())
	prompt, continuation := []int32{480, 350, 367, 370}, []int32{368, 369}
	score, err := session.Score(ctx, prompt, continuation)
	if err != nil || len(score.LogProbs) != 2 || score.IsGreedy || math.Abs(score.Total+25.073009580602) > 1e-3 {
		t.Errorf("score is %+v (%v)", score, err)
	}
	rolling, err := session.ScoreRolling(ctx, append(prompt, continuation...), 0, 0)
	if err != nil || len(rolling.LogProbs) != 5 || !slices.Equal(rolling.LogProbs[3:], score.LogProbs) {
		t.Errorf("rolling score is %+v (%v), want it to end in %v", rolling, err, score.LogProbs)
	}
	cancel()
	if _, err := session.Score(ctx, []int32{9}, continuation); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
}

func TestErrorsSayWhat(t *testing.T) {
	rt, err := sharedRuntime()
	if err != nil {
		t.Fatal(err)
	}
	load := func(path string, options map[string]any) error {
		_, err := rt.LoadModel(context.Background(), path, opencl.LoadConfig{Options: options})
		return err
	}
	broken := filepath.Join(t.TempDir(), "broken.gguf")
	if err := os.WriteFile(broken, []byte("GGUF\x03\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	tiny := filepath.Join(tinyFolder, "model")
	for name, c := range map[string]struct {
		err  error
		want opencl.Status
		text string
	}{
		"missing file":   {load("/no/such/model.gguf", nil), opencl.ErrNotFound, "/no/such/model.gguf"},
		"truncated":      {load(broken, nil), opencl.ErrFormat, "broken.gguf"},
		"unknown option": {load(tiny, map[string]any{"colour": "red"}), opencl.ErrNotFound, "colour"},
		"option type":    {load(tiny, map[string]any{"device": []int{1}}), opencl.ErrArgument, "device"},
		"no such device": {load(tiny, map[string]any{"device": "abacus"}), opencl.ErrDevice, "abacus"},
	} {
		var e *opencl.Error
		if !errors.As(c.err, &e) || !errors.Is(c.err, c.want) || !strings.Contains(e.Message, c.text) {
			t.Errorf("%s: error is %v, want %v with %q", name, c.err, c.want, c.text)
		}
	}
}

func TestLoadProgressAndItsError(t *testing.T) {
	rt, err := sharedRuntime()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(tinyFolder, "model")
	var done, total uint64
	model, err := rt.LoadModel(context.Background(), path, opencl.LoadConfig{
		Progress: func(d, n uint64, _ string) error { done, total = d, n; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	model.Close()
	if total == 0 || done != total {
		t.Errorf("progress ended at %d of %d", done, total)
	}

	enough := errors.New("enough")
	_, err = rt.LoadModel(context.Background(), path, opencl.LoadConfig{
		Progress: func(uint64, uint64, string) error { return enough },
	})
	if !errors.Is(err, enough) || !errors.Is(err, opencl.ErrCallback) {
		t.Errorf("error is %v, want the callback's", err)
	}

	defer func() {
		if recover() != "the caller's own" {
			t.Error("a panic in Progress must come back out of LoadModel")
		}
	}()
	_, _ = rt.LoadModel(context.Background(), path, opencl.LoadConfig{
		Progress: func(uint64, uint64, string) error { panic("the caller's own") },
	})
}

func TestLoadEndsWithItsContext(t *testing.T) {
	rt, err := sharedRuntime()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err = rt.LoadModel(ctx, filepath.Join(tinyFolder, "model"), opencl.LoadConfig{
		Progress: func(uint64, uint64, string) error { cancel(); <-ctx.Done(); return nil },
	})
	// The trigger runs on its own goroutine: a model this small may be loaded before it is scheduled.
	if err != nil && (!errors.Is(err, context.Canceled) || !errors.Is(err, opencl.ErrCancelled)) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	if _, err = rt.LoadModel(ctx, tinyFolder, opencl.LoadConfig{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
}

func TestCloseInAnyOrderAndTwice(t *testing.T) {
	rt, err := opencl.NewRuntime(opencl.RuntimeConfig{Log: func(opencl.LogLevel, string, string) {}})
	if err != nil {
		t.Fatal(err)
	}
	model, err := rt.LoadModel(context.Background(), filepath.Join(tinyFolder, "model"), opencl.LoadConfig{})
	if err != nil {
		t.Fatal(err)
	}
	session := newSession(t, model)
	rt.Close()
	rt.Close()
	model.Close()
	if ids, _ := answer(t, session, opencl.Tokens{1, 2}, opencl.WithMaxTokens(2), opencl.WithIgnoreEnd()); len(ids) != 2 {
		t.Errorf("a session outlives its parents: %d tokens, want 2", len(ids))
	}
	session.Close()
	if _, err := model.Info(); err == nil {
		t.Error("a closed model gave an answer")
	}
	for _, err := range session.Generate(context.Background(), opencl.Text("x")) {
		if err == nil {
			t.Error("a closed session gave a token")
		}
	}
}

func TestCollectorClosesWhatWasForgotten(t *testing.T) {
	for range 20 {
		session, err := tinyModel(t).NewSession(opencl.SessionConfig{})
		if err != nil {
			t.Fatal(err)
		}
		_ = session
		runtime.GC()
	}
}

func TestVersion(t *testing.T) {
	if strings.Count(opencl.Version(), ".") != 2 {
		t.Errorf("version is %q", opencl.Version())
	}
}

func TestASavedSessionGoesOn(t *testing.T) {
	session, ctx := newSession(t, tinyModel(t)), context.Background()
	if _, err := session.Logits(ctx, []int32{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	saved, err := session.Save()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "talk.session")
	if err := session.SaveFile(path); err != nil {
		t.Fatal(err)
	}
	want, err := session.Logits(ctx, []int32{4})
	if err != nil {
		t.Fatal(err)
	}
	loaded := newSession(t, tinyModel(t))
	for name, load := range map[string]func() error{
		"memory": func() error { return loaded.Load(saved) },
		"file":   func() error { return loaded.LoadFile(path) },
	} {
		if err := load(); err != nil || loaded.Len() != 3 {
			t.Fatalf("%s: %d tokens (%v)", name, loaded.Len(), err)
		}
		if got, err := loaded.Logits(ctx, []int32{4}); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: the logits are others (%v)", name, err)
		}
	}
	saved[len(saved)/2] ^= 1
	if err := loaded.Load(saved); !errors.Is(err, opencl.ErrMismatch) || loaded.Len() != 4 {
		t.Errorf("error is %v, the session holds %d", err, loaded.Len())
	}
	if err := loaded.Load(nil); !errors.Is(err, opencl.ErrMismatch) {
		t.Errorf("error is %v", err)
	}
}
