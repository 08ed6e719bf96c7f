//go:build !nomlxlm

package mlxlm

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"libinference.dev/inference"
)

// What bridges and callers do that they should not.

func rudeBackend(env ...string) inference.Backend {
	return NewBackend(Config{Name: "rude", Command: []string{"python3", "-u", "testdata/rude_bridge.py"},
		Env: append(os.Environ(), env...)})
}

// works reports whether the model still serves, in step.
func works(t *testing.T, m inference.TextModel) {
	t.Helper()
	got := slices.Collect(m.Generate(context.Background(), "echo", inference.WithMaxTokens(9)))
	want := []string{`{"cmd": "generate", "max_tokens": 9, "prompt": "echo"}`}
	if !slices.Equal(texts(got), want) || m.Err() != nil {
		t.Errorf("afterwards: %v, %v", got, m.Err())
	}
}

// wantText checks that the error's text has all of these in it.
func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error is %v, want %q in it", err, part)
		}
	}
}

func TestRequest_Good_Fields(t *testing.T) {
	m := load(t, rudeBackend(), "/m")
	all := []inference.GenerateOption{inference.WithMaxTokens(3), inference.WithTemperature(0.7), inference.WithTopK(40),
		inference.WithTopP(0.9), inference.WithMinP(0.05), inference.WithRepeatPenalty(1.5), inference.WithStopTokens(7, 8),
		inference.WithStopStrings("\n"), inference.WithSeed(math.MaxUint64),
		inference.WithAdapters(inference.AdapterRef{Path: "/a", Scale: 0.5})}
	for _, c := range []struct {
		opts []inference.GenerateOption
		want string
	}{
		{nil, `{"cmd": "generate", "max_tokens": 256, "prompt": "p"}`},
		{[]inference.GenerateOption{inference.WithMaxTokens(-1), inference.WithTemperature(-1), inference.WithTopK(-1),
			inference.WithTopP(-1)}, `{"cmd": "generate", "max_tokens": -1, "prompt": "p"}`},
		{all, `{"adapters": [{"path": "/a", "scale": 0.5}], "cmd": "generate", "max_tokens": 3, "min_p": 0.05, ` +
			`"prompt": "p", "repeat_penalty": 1.5, "seed": 18446744073709551615, "stop": ["\n"], ` +
			`"stop_tokens": [7, 8], "temperature": 0.7, "top_k": 40, "top_p": 0.9}`},
	} {
		got := texts(slices.Collect(m.Generate(context.Background(), "p", c.opts...)))
		if !slices.Equal(got, []string{c.want}) {
			t.Errorf("%v\nwant %s", got, c.want)
		}
	}
	got := texts(slices.Collect(m.Chat(context.Background(),
		[]inference.Message{{Role: "system", Content: "é"}, {Role: "user", Content: "\x00\n"}}, inference.WithTopK(2))))
	want := `{"cmd": "chat", "max_tokens": 256, "messages": [{"content": "\u00e9", "role": "system"}, ` +
		`{"content": "\u0000\n", "role": "user"}], "top_k": 2}`
	if !slices.Equal(got, []string{want}) {
		t.Errorf("%v\nwant %s", got, want)
	}
	got = texts(slices.Collect(m.Chat(context.Background(), nil)))
	if !slices.Equal(got, []string{`{"cmd": "chat", "max_tokens": 256, "messages": []}`}) {
		t.Errorf("%v", got)
	}
}

func TestLoad_Good_Fields(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	load(t, rudeBackend("RUDE_LOG="+log), "/m").Close()
	load(t, rudeBackend("RUDE_LOG="+log), "/m", inference.WithContextLen(64), inference.WithGPULayers(0),
		inference.WithAdapter("/a", 1), inference.WithParallelSlots(4)).Close()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"cmd":"load","path":"/m"}
{"cmd":"info"}
{"cmd":"quit"}
{"adapters":[{"path":"/a","scale":1}],"cmd":"load","context_len":64,"gpu_layers":0,"path":"/m"}
{"cmd":"info"}
{"cmd":"quit"}
`
	if string(text) != want {
		t.Errorf("%s\nwant %s", text, want)
	}
}

func TestLoad_Bad_Dies(t *testing.T) {
	// The token that comes first is taken for the answer to "load", the death for that to "info".
	_, err := rudeBackend().LoadModel("die")
	wantText(t, err, "mlxlm: ", "exit status 3", "rude: out of memory\nrude: dying")
	_, err = NewBackend(Config{Command: []string{"python3", "-c", "import sys; sys.exit('no mlx here')"}}).LoadModel("/m")
	wantText(t, err, "mlxlm: ", "(exit status 1): no mlx here")
	_, err = NewBackend(Config{Command: []string{"python3", "-c", "print('ready'); input()"}}).LoadModel("/m")
	wantText(t, err, "mlxlm: recv load response: mlxlm: parse response: ")
}

func TestInfo_Bad_ErrorIsZero(t *testing.T) {
	m := load(t, rudeBackend(), "/m")
	if got := m.Info(); got != (inference.ModelInfo{}) || m.ModelType() != "rude" {
		t.Errorf("%+v, %q", got, m.ModelType())
	}
}

func TestInfo_Ugly_WhileAGenerationRuns(t *testing.T) {
	m := load(t, rudeBackend(), "/m")
	n := 0
	for token := range m.Generate(context.Background(), "forever") {
		m.Info()
		m.Err()
		if int(token.ID) != n {
			t.Fatalf("token %d is %v", n, token)
		}
		if n++; n == 20 {
			break
		}
	}
	if n != 20 || m.Err() != nil {
		t.Errorf("%d tokens, %v", n, m.Err())
	}
	works(t, m)
}

func TestCancel_Good_InterruptsASilentChild(t *testing.T) {
	m := load(t, rudeBackend(), "/m")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	for token := range m.Generate(ctx, "silent") {
		t.Errorf("token %v", token)
	}
	if m.Err() != context.DeadlineExceeded {
		t.Error(m.Err())
	}
	works(t, m)
}

func TestCancel_Ugly_DeafChildKeepsNobodyWaiting(t *testing.T) {
	m := load(t, rudeBackend(), "/m")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range m.Generate(ctx, "deaf") {
		cancel()
	}
	if m.Err() != context.Canceled {
		t.Error(m.Err())
	}
	// It still works on the first one: who does not want to wait does not have to.
	short, stop := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer stop()
	for token := range m.Generate(short, "echo") {
		t.Errorf("token %v", token)
	}
	if m.Err() != context.DeadlineExceeded {
		t.Error(m.Err())
	}
	works(t, m)
}

func TestCancel_Bad_BeforeTheStart(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	m := load(t, rudeBackend("RUDE_LOG="+log), "/m")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for token := range m.Generate(ctx, "forever") {
		t.Errorf("token %v", token)
	}
	if m.Err() != context.Canceled {
		t.Error(m.Err())
	}
	works(t, m)
	if text, _ := os.ReadFile(log); strings.Contains(string(text), "forever") {
		t.Errorf("it was sent all the same: %s", text)
	}
}

func TestBreak_Good_ThousandTimes(t *testing.T) {
	m := load(t, rudeBackend(), "/m")
	works(t, m)
	before := runtime.NumGoroutine()
	n := 1000
	if testing.Short() {
		n = 50
	}
	for range n {
		for range m.Generate(context.Background(), "forever") {
			break
		}
		if m.Err() != nil {
			t.Fatal(m.Err())
		}
	}
	works(t, m)
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

func TestPanic_Ugly_InTheLoop(t *testing.T) {
	m := load(t, rudeBackend(), "/m")
	func() {
		defer func() {
			if got := recover(); got != "mine" {
				t.Errorf("recovered %v", got)
			}
		}()
		for range m.Generate(context.Background(), "forever") {
			panic("mine")
		}
	}()
	works(t, m)
}

func TestDeath_Ugly(t *testing.T) {
	m := load(t, rudeBackend(), "/m")
	got := slices.Collect(m.Generate(context.Background(), "die"))
	if len(got) != 1 {
		t.Errorf("%v", got)
	}
	wantText(t, m.Err(), "mlxlm: subprocess closed stdout (exit status 3): rude: out of memory\nrude: dying")
	for range m.Generate(context.Background(), "echo") {
		t.Error("a token of a dead child")
	}
	wantText(t, m.Err(), "mlxlm: send generate: ", "exit status 3", "rude: dying")
	for range m.Chat(context.Background(), nil) {
		t.Error("a token of a dead child")
	}
	wantText(t, m.Err(), "mlxlm: send chat: ")
	wantText(t, m.Close(), "exit status 3")
	if err := m.Close(); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

func TestGarbage_Ugly(t *testing.T) {
	m := load(t, rudeBackend(), "/m")
	for _, prompt := range []string{"garbage", "no_object"} {
		if got := slices.Collect(m.Generate(context.Background(), prompt)); len(got) != 0 {
			t.Errorf("%s: %v", prompt, got)
		}
		wantText(t, m.Err(), "mlxlm: parse response: ")
		works(t, m)
	}
}

func TestGarbage_Ugly_NoEnd(t *testing.T) {
	m := load(t, rudeBackend(), "/m").(*model)
	m.drainIdle = 100 * time.Millisecond
	exhaust(m.Generate(context.Background(), "garbage_at_the_end"))
	wantText(t, m.Err(), "mlxlm: parse response: ")
	for range m.Generate(context.Background(), "echo") {
		t.Error("a token out of step")
	}
	wantText(t, m.Err(), "mlxlm: ", "signal: killed")
}

func TestLines_Ugly_Length(t *testing.T) {
	m := load(t, rudeBackend(), "/m")
	got := slices.Collect(m.Generate(context.Background(), "nearly_long_line"))
	if len(got) != 1 || len(got[0].Text) < 1<<20-100 || m.Err() != nil {
		t.Errorf("%d tokens, %v", len(got), m.Err())
	}
	long := strings.Repeat("x", 3<<20) // our own lines have no limit
	got = slices.Collect(m.Generate(context.Background(), long))
	if m.Err() == nil || len(got) != 0 { // but the echo of it has
		t.Errorf("%d tokens, %v", len(got), m.Err())
	}
	wantText(t, m.Err(), "mlxlm: scanner: bufio.Scanner: token too long")
}

func TestValues_Ugly(t *testing.T) {
	m := load(t, rudeBackend(), "/m")
	got := slices.Collect(m.Generate(context.Background(), "odd_values"))
	want := []inference.Token{{}, {}, {Text: "big"}, {ID: 5}}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	wantText(t, m.Err(), `{"code":7}`)
	for range m.Generate(context.Background(), "echo", inference.WithTemperature(float32(math.Inf(1)))) {
		t.Error("infinity is no JSON")
	}
	wantText(t, m.Err(), "mlxlm: send generate: json: ")
	works(t, m)
}

func TestClose_Ugly(t *testing.T) {
	t.Run("status", func(t *testing.T) {
		t.Parallel()
		wantText(t, load(t, rudeBackend("RUDE_STATUS=5"), "/m").Close(), "exit status 5")
	})
	t.Run("in a loop", func(t *testing.T) {
		t.Parallel()
		m := load(t, rudeBackend(), "/m")
		for range m.Generate(context.Background(), "forever") {
			m.Close()
		}
		wantText(t, m.Err(), "mlxlm: model is closed")
		for range m.Generate(context.Background(), "echo") {
			t.Error("a token of a closed model")
		}
		wantText(t, m.Err(), "mlxlm: model is closed")
	})
	t.Run("stubborn", func(t *testing.T) {
		t.Parallel()
		m := load(t, rudeBackend(), "/m")
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		exhaust(m.Generate(ctx, "stubborn"))
		start := time.Now()
		wantText(t, m.Close(), "signal: killed")
		if took := time.Since(start); took < closeGrace {
			t.Errorf("killed after %v, before it had its time to quit", took)
		}
	})
	t.Run("grandchild", func(t *testing.T) {
		t.Parallel()
		m := load(t, rudeBackend(), "/m")
		exhaust(m.Generate(context.Background(), "grandchild"))
		m.Close() // must return although the pipes stay open
	})
	t.Run("concurrently", func(t *testing.T) {
		t.Parallel()
		m := load(t, rudeBackend(), "/m")
		var group sync.WaitGroup
		for range 4 {
			group.Add(2)
			go func() { defer group.Done(); exhaust(m.Generate(context.Background(), "forever")); m.Err() }()
			go func() { defer group.Done(); time.Sleep(20 * time.Millisecond); m.Close() }()
		}
		group.Wait()
		wantText(t, m.Err(), "mlxlm: model is closed")
	})
}

func TestStderr_Good_Copied(t *testing.T) {
	var copied strings.Builder
	b := NewBackend(Config{Command: []string{"python3", "-u", "testdata/rude_bridge.py"}, Stderr: &copied})
	load(t, b, "/m").Close()
	if copied.String() != "rude: bye\n" {
		t.Errorf("%q", copied.String())
	}
}

func TestTail_Ugly(t *testing.T) {
	var last tail
	for range 3000 {
		_, _ = last.Write([]byte("0123456789é"))
	}
	if got := last.String(); len(got) > tailBytes || len(got) < tailBytes-2 || !strings.HasSuffix(got, "0123456789é") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestErr_Ugly_Race(t *testing.T) {
	m := loadMock(t)
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		defer group.Done()
		for {
			select {
			case <-stop:
				return
			default:
				m.Err()
				m.Info()
				runtime.Gosched()
			}
		}
	}()
	for range 20 {
		exhaust(m.Generate(context.Background(), "ERROR"))
		if m.Err() == nil {
			t.Error("no error")
		}
	}
	close(stop)
	group.Wait()
}
