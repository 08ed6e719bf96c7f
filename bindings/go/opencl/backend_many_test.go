//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"libinference.dev/inference"
	"libinference.dev/inference/opencl"
)

func goldenPrompts(t *testing.T) (prompts []string) {
	for _, g := range loadGolden(t).Generate {
		prompts = append(prompts, g.Prompt)
	}
	return prompts
}

func TestClassify_Good(t *testing.T) {
	m := sharedText(t)
	golden := loadGolden(t).Generate
	prompts := goldenPrompts(t)
	plain, err := m.Classify(background, prompts)
	if err != nil {
		t.Fatal(err)
	}
	withLogits, err := m.Classify(background, prompts, inference.WithLogits(), inference.WithMaxTokens(0))
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range golden {
		logits := withLogits[i].Logits
		if plain[i].Token.ID != g.IDs[0] || withLogits[i].Token != plain[i].Token {
			t.Errorf("%q: %v and %v, want %d", g.Prompt, plain[i].Token, withLogits[i].Token, g.IDs[0])
		}
		if plain[i].Logits != nil || len(logits) != 512 || slices.Index(logits, slices.Max(logits)) != int(g.IDs[0]) {
			t.Errorf("%q: %d and %d logits", g.Prompt, len(plain[i].Logits), len(logits))
		}
	}
}

func TestClassify_Good_Sampled(t *testing.T) {
	m := sharedText(t)
	opts := []inference.GenerateOption{inference.WithTemperature(3), inference.WithTopP(0.99), inference.WithSeed(5)}
	prompts := goldenPrompts(t)
	classes, err := m.Classify(background, prompts, opts...)
	if err != nil {
		t.Fatal(err)
	}
	for i, prompt := range prompts {
		ids, _ := collect(t, m, m.Generate(background, prompt, append(opts, inference.WithMaxTokens(1))...))
		if len(ids) == 1 && ids[0] != classes[i].Token.ID { // no id: the end of the text
			t.Errorf("%q: %v, generated %v", prompt, classes[i].Token, ids)
		}
	}
}

func TestClassify_Bad(t *testing.T) {
	m := loadText(t, inference.WithContextLen(8))
	if results, err := m.Classify(background, nil); len(results) != 0 || err != nil {
		t.Errorf("%v, %v", results, err)
	}
	long := strings.Repeat("word ", 50)
	results, err := m.Classify(background, []string{"a", long, long})
	wantText(t, err, "classify prompt 1: ")
	if !errors.Is(err, opencl.ErrContextFull) || len(results) != 3 || results[0].Token.Text == "" && results[0].Token.ID == 0 {
		t.Errorf("%v, %v", results, err)
	}
	if _, err := m.Classify(background, []string{"a"}, inference.WithTemperature(-1)); !errors.Is(err, opencl.ErrArgument) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := m.Classify(ctx, []string{"a"}); err != context.Canceled {
		t.Error(err)
	}
}

func TestBatchGenerate_Good_EqualsSingle(t *testing.T) {
	m := sharedText(t)
	prompts := goldenPrompts(t)
	for name, opts := range map[string][]inference.GenerateOption{
		"greedy": {inference.WithMaxTokens(24)},
		"hot":    {inference.WithMaxTokens(24), inference.WithTemperature(1.5), inference.WithSeed(3), inference.WithRepeatPenalty(1.3)},
		"stops":  {inference.WithMaxTokens(24), inference.WithStopTokens(56, 70)},
	} {
		batch, err := m.BatchGenerate(background, prompts, opts...)
		if err != nil {
			t.Fatal(err)
		}
		for i, prompt := range prompts {
			var want []inference.Token
			for token := range m.Generate(background, prompt, opts...) {
				want = append(want, token)
			}
			if !reflect.DeepEqual(batch[i].Tokens, want) || batch[i].Err != nil || m.Err() != nil {
				t.Errorf("%s, %q: %v, %v\nwant %v", name, prompt, batch[i].Tokens, batch[i].Err, want)
			}
		}
	}
}

func TestBatchGenerate_Bad(t *testing.T) {
	m := loadText(t, inference.WithContextLen(64))
	if results, err := m.BatchGenerate(background, nil); len(results) != 0 || err != nil {
		t.Errorf("%v, %v", results, err)
	}
	golden := loadGolden(t).Generate
	long := strings.Repeat("word ", 100)
	results, err := m.BatchGenerate(background, []string{golden[0].Prompt, long, golden[1].Prompt}, inference.WithMaxTokens(4))
	if err != nil || !slices.Equal(idsOf(results[0].Tokens), golden[0].IDs[:4]) || results[0].Err != nil ||
		!slices.Equal(idsOf(results[2].Tokens), golden[1].IDs[:4]) || results[2].Err != nil {
		t.Errorf("%v, %v", results, err)
	}
	if len(results[1].Tokens) != 0 || !errors.Is(results[1].Err, opencl.ErrContextFull) {
		t.Errorf("%v", results[1])
	}
	results, err = m.BatchGenerate(background, []string{golden[0].Prompt}, inference.WithMaxTokens(0)) // 256: the context ends it
	if err != nil || len(results[0].Tokens) < 32 || !errors.Is(results[0].Err, opencl.ErrContextFull) {
		t.Errorf("%v, %v", results, err)
	}
	results, err = m.BatchGenerate(background, []string{"a", "b"}, inference.WithTemperature(-1))
	if err != nil || !errors.Is(results[0].Err, opencl.ErrArgument) || !errors.Is(results[1].Err, opencl.ErrArgument) {
		t.Errorf("%v, %v", results, err)
	}
}

func TestBatchGenerate_Ugly_MoreThanTheSlots(t *testing.T) {
	m := sharedText(t)
	g := loadGolden(t).Generate[0]
	results, err := m.BatchGenerate(background, slices.Repeat([]string{g.Prompt}, 70), inference.WithMaxTokens(2))
	if err != nil || len(results) != 70 {
		t.Fatal(len(results), err)
	}
	for i, r := range results {
		if !slices.Equal(idsOf(r.Tokens), g.IDs[:2]) || r.Err != nil {
			t.Errorf("%d: %v, %v", i, r.Tokens, r.Err)
		}
	}
}

func TestBatchGenerate_Ugly_Cancel(t *testing.T) {
	m := sharedText(t)
	ctx, cancel := context.WithCancel(background)
	time.AfterFunc(20*time.Millisecond, cancel) // far less than 48 texts of 400 tokens take
	results, err := m.BatchGenerate(ctx, slices.Repeat(goldenPrompts(t), 8), inference.WithMaxTokens(400))
	if err != nil || len(results) != 48 {
		t.Fatal(len(results), err)
	}
	for i, r := range results {
		if r.Err != context.Canceled || len(r.Tokens) >= 400 {
			t.Errorf("%d: %d tokens, %v", i, len(r.Tokens), r.Err)
		}
	}
	works(t, m)
}
