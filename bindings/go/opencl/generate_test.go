//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"libinference.dev/inference/opencl"
)

func TestGenerateMatchesReference(t *testing.T) {
	model := tinyModel(t)
	tokenizer := tokenizerOf(t, model)
	for _, want := range loadGolden(t).Generate {
		session := newSession(t, model)
		var result opencl.Result
		ids, text := answer(t, session, opencl.Text(want.Prompt), opencl.WithMaxTokens(len(want.IDs)),
			opencl.WithIgnoreEnd(), opencl.WithResult(&result))
		if !slices.Equal(ids, want.IDs) {
			t.Errorf("%q: ids are %v, want %v", want.Prompt, ids, want.IDs)
		}
		if result.Finish != opencl.FinishLength || result.GeneratedTokens != uint64(len(ids)) {
			t.Errorf("%q: finish %v after %d tokens, want length after %d",
				want.Prompt, result.Finish, result.GeneratedTokens, len(ids))
		}
		if want := int(result.PromptTokens) + len(ids) - 1; session.Len() != want {
			t.Errorf("session holds %d tokens, want %d", session.Len(), want)
		}
		// The tiny model has more rows than its tokenizer has tokens; those have no text.
		known := slices.DeleteFunc(ids, func(id int32) bool { return int(id) >= tokenizer.VocabSize() })
		if decoded, err := tokenizer.Decode(known, opencl.SkipSpecial); err != nil || decoded != text {
			t.Errorf("%q: streamed %q, decoded %q (%v)", want.Prompt, text, decoded, err)
		}
	}
}

func TestTokensPromptEqualsText(t *testing.T) {
	model, want := tinyModel(t), loadGolden(t)
	ids, _ := answer(t, newSession(t, model), opencl.Tokens(want.Prompts[0].IDs),
		opencl.WithMaxTokens(8), opencl.WithIgnoreEnd())
	if !slices.Equal(ids, want.Generate[0].IDs[:8]) {
		t.Errorf("ids are %v, want %v", ids, want.Generate[0].IDs[:8])
	}
}

func TestSmolLM2AnswersChat(t *testing.T) {
	model := smolLM2(t)
	chat, err := tokenizerOf(t, model).NewChat()
	if err != nil {
		t.Fatal(err)
	}
	defer chat.Close()
	if err := chat.Add("user", "What is the capital of France?"); err != nil {
		t.Fatal(err)
	}
	var result opencl.Result
	_, text := answer(t, newSession(t, model), chat, opencl.WithResult(&result))
	if text != "The capital of France is Paris." || result.Finish != opencl.FinishEnd {
		t.Errorf("answer is %q (%v)", text, result.Finish)
	}
}

func TestSeedFixesTheText(t *testing.T) {
	model := tinyModel(t)
	draw := func(seed uint64) []int32 {
		ids, _ := answer(t, newSession(t, model), opencl.Text("Once"), opencl.WithMaxTokens(16),
			opencl.WithTemperature(1.5), opencl.WithTopK(100), opencl.WithTopP(0.99), opencl.WithMinP(0.001),
			opencl.WithRepeatPenalty(1.1), opencl.WithSeed(seed), opencl.WithIgnoreEnd())
		return ids
	}
	if first := draw(1); !slices.Equal(first, draw(1)) || slices.Equal(first, draw(2)) {
		t.Error("the same seed must give the same text, another seed another one")
	}
}

func TestStopsBiasAndPenalties(t *testing.T) {
	model, golden := tinyModel(t), loadGolden(t).Generate[0]
	prompt := opencl.Text(golden.Prompt)
	run := func(opts ...opencl.GenerateOption) ([]int32, string, opencl.Result) {
		var result opencl.Result
		opts = append(opts, opencl.WithMaxTokens(len(golden.IDs)), opencl.WithIgnoreEnd(),
			opencl.WithResult(&result))
		ids, text := answer(t, newSession(t, model), prompt, opts...)
		return ids, text, result
	}
	_, whole, _ := run()
	stop := string([]rune(whole)[4:8])
	_, text, result := run(opencl.WithStop("not in the text", stop))
	if want := whole[:strings.Index(whole, stop)]; text != want || result.Finish != opencl.FinishStopString {
		t.Errorf("text is %q (%v), want %q (stop_string)", text, result.Finish, want)
	}
	ids, _, result := run(opencl.WithStopTokens(golden.IDs[5]))
	first := slices.Index(golden.IDs, golden.IDs[5])
	if !slices.Equal(ids, golden.IDs[:first]) || result.Finish != opencl.FinishStopToken {
		t.Errorf("ids are %v (%v), want %v (stop_token)", ids, result.Finish, golden.IDs[:first])
	}
	ids, _, _ = run(opencl.WithLogitBias(map[int32]float32{7: 1000}))
	if !slices.Equal(slices.Compact(ids), []int32{7}) {
		t.Errorf("ids are %v, want 7 only", ids)
	}
	ids, _, _ = run(opencl.WithPresencePenalty(100), opencl.WithFrequencyPenalty(1))
	slices.Sort(ids)
	if len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("ids repeat: %v", ids)
	}
	ids, _, _ = run(opencl.WithPresencePenalty(100), opencl.WithPenaltyWindow(1))
	if len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("ids repeat at once: %v", ids)
	}
	drawn, _, _ := run(opencl.WithTemperature(50), opencl.WithTypicalP(1e-6),
		opencl.WithFilterOrder(opencl.FilterTypical, opencl.FilterTemperature))
	again, _, _ := run(opencl.WithTemperature(50), opencl.WithTypicalP(1e-6), opencl.WithSeed(9))
	if !slices.Equal(drawn, again) {
		t.Errorf("of one token, %v and %v were drawn", drawn, again)
	}
}

func TestRequestsThatMakeNoSenseAreRefused(t *testing.T) {
	session := newSession(t, tinyModel(t))
	for _, option := range []opencl.GenerateOption{
		opencl.WithStop(""), opencl.WithStopTokens(-1), opencl.WithLogProbs(65),
		opencl.WithLogitBias(map[int32]float32{100000: 1}),
		opencl.WithFilterOrder(opencl.FilterTopK, opencl.FilterTopK),
	} {
		for _, err := range session.Generate(context.Background(), opencl.Text("Once"), option) {
			if !errors.Is(err, opencl.ErrArgument) {
				t.Errorf("error is %v, want ARG", err)
			}
		}
	}
}

func TestLogProbs(t *testing.T) {
	model, golden := tinyModel(t), loadGolden(t).Generate[0]
	var prompt []opencl.TokenLogProb
	seen := 0
	for token, err := range newSession(t, model).Generate(context.Background(), opencl.Text(golden.Prompt),
		opencl.WithMaxTokens(4), opencl.WithIgnoreEnd(), opencl.WithLogProbs(3),
		opencl.WithPromptLogProbs(func(part []opencl.TokenLogProb) { prompt = append(prompt, part...) })) {
		if err != nil {
			t.Fatal(err)
		}
		if token.ID < 0 {
			continue
		}
		seen++
		if len(token.Top) != 3 || token.Top[0] != (opencl.TokenLogProb{ID: token.ID, LogProb: token.LogProb}) ||
			token.LogProb >= 0 || token.Top[1].LogProb < token.Top[2].LogProb {
			t.Errorf("token %d (%v): likeliest are %v", token.ID, token.LogProb, token.Top)
		}
	}
	if seen != 4 || len(prompt) == 0 || !math.IsNaN(prompt[0].LogProb) {
		t.Fatalf("%d tokens, prompt %v", seen, prompt)
	}
	ids := make([]int32, len(prompt))
	for i, token := range prompt {
		ids[i] = token.ID
	}
	score, err := newSession(t, model).ScoreRolling(context.Background(), ids, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range score.LogProbs {
		if math.Abs(prompt[i+1].LogProb-float64(want)) > 1e-6 {
			t.Errorf("token %d of the prompt: %v, scored %v", i+1, prompt[i+1].LogProb, want)
		}
	}
}

func TestCancelStopsWithinOneStep(t *testing.T) {
	session := newSession(t, tinyModel(t))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var result opencl.Result
	count, last := 0, error(nil)
	for _, err := range session.Generate(ctx, opencl.Text("Once"), opencl.WithMaxTokens(200),
		opencl.WithIgnoreEnd(), opencl.WithResult(&result)) {
		if last = err; err != nil {
			break
		}
		if count++; count == 5 {
			cancel()
		}
	}
	if !errors.Is(last, opencl.ErrCancelled) || !errors.Is(last, context.Canceled) {
		t.Errorf("error is %v, want one that is both ErrCancelled and context.Canceled", last)
	}
	if count != 5 || result.Finish != opencl.FinishCancelled {
		t.Errorf("%d tokens, finish %v; want 5, cancelled", count, result.Finish)
	}
	if want := int(result.PromptTokens) + 4; session.Len() < want || session.Len() > want+1 {
		t.Errorf("session holds %d tokens, want %d or one more", session.Len(), want)
	}
	if ids, _ := answer(t, session, opencl.Text(" upon"), opencl.WithMaxTokens(3), opencl.WithIgnoreEnd()); len(ids) != 3 {
		t.Errorf("after the cancel the session gave %d tokens, want 3", len(ids))
	}
}

func TestCancelFromAnotherGoroutine(t *testing.T) {
	session := newSession(t, tinyModel(t))
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	started := make(chan struct{})
	go func() {
		<-started
		cancel(errors.New("the user left"))
	}()
	once, last := sync.Once{}, error(nil)
	for _, err := range session.Generate(ctx, opencl.Text("Once"), opencl.WithMaxTokens(250), opencl.WithIgnoreEnd()) {
		last = err
		once.Do(func() { close(started); <-ctx.Done() })
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", last)
	}
}

func TestEndedContextRunsNothing(t *testing.T) {
	session := newSession(t, tinyModel(t))
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	for token, err := range session.Generate(ctx, opencl.Text("Once")) {
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, opencl.ErrCancelled) {
			t.Errorf("got %v, %v; want DeadlineExceeded", token, err)
		}
	}
	if session.Len() != 0 {
		t.Errorf("session holds %d tokens, want 0", session.Len())
	}
}

func TestLeavingTheLoopFreesTheSession(t *testing.T) {
	session := newSession(t, tinyModel(t))
	var result opencl.Result
	for _, err := range session.Generate(context.Background(), opencl.Text("Once"), opencl.WithResult(&result)) {
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Reset(); !errors.Is(err, opencl.ErrBusy) {
			t.Errorf("Reset inside the loop gave %v, want ErrBusy", err)
		}
		break
	}
	if result.GeneratedTokens != 1 || result.Finish != opencl.FinishNone {
		t.Errorf("%d tokens, finish %v; want 1, none", result.GeneratedTokens, result.Finish)
	}
	if err := session.Reset(); err != nil || session.Len() != 0 {
		t.Errorf("Reset after the loop: %v, %d tokens", err, session.Len())
	}
}

func TestPanicInTheLoopFreesTheSession(t *testing.T) {
	session := newSession(t, tinyModel(t))
	func() {
		defer func() { _ = recover() }()
		for range session.Generate(context.Background(), opencl.Text("Once")) {
			panic("the caller's own")
		}
	}()
	if err := session.Reset(); err != nil {
		t.Error(err)
	}
}

func TestPrefillIsReported(t *testing.T) {
	session := newSession(t, tinyModel(t))
	var done, total uint64
	_, _ = answer(t, session, opencl.Text(strings.Repeat("Once upon a time ", 4)), opencl.WithMaxTokens(1),
		opencl.WithPrefill(func(d, n uint64) { done, total = d, n }))
	if total == 0 || done != total || total != uint64(session.Len()) {
		t.Errorf("prefill ended at %d of %d, session holds %d", done, total, session.Len())
	}
}

func TestSessionsOfOneModelInParallel(t *testing.T) {
	model, want := tinyModel(t), loadGolden(t).Generate
	var wait sync.WaitGroup
	for _, want := range want {
		session := newSession(t, model)
		wait.Add(1)
		go func() {
			defer wait.Done()
			var ids []int32
			for token, err := range session.Generate(context.Background(), opencl.Text(want.Prompt),
				opencl.WithMaxTokens(len(want.IDs)), opencl.WithIgnoreEnd()) {
				if err != nil {
					t.Error(err)
					return
				}
				if token.ID >= 0 {
					ids = append(ids, token.ID)
				}
			}
			if !slices.Equal(ids, want.IDs) {
				t.Errorf("%q: ids are %v, want %v", want.Prompt, ids, want.IDs)
			}
		}()
	}
	wait.Wait()
}

func TestContextFullIsAResult(t *testing.T) {
	session, err := tinyModel(t).NewSession(opencl.SessionConfig{Capacity: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var result opencl.Result
	answer(t, session, opencl.Tokens{1, 2, 3}, opencl.WithIgnoreEnd(), opencl.WithResult(&result))
	if result.Finish != opencl.FinishContextFull {
		t.Errorf("finish is %v, want context_full", result.Finish)
	}
	for _, err := range session.Generate(context.Background(), opencl.Tokens(make([]int32, 17))) {
		if !errors.Is(err, opencl.ErrContextFull) {
			t.Errorf("error is %v, want ErrContextFull", err)
		}
	}
}
