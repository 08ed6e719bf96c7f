//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"libinference.dev/inference"
	"libinference.dev/inference/opencl"
)

// wantSliding is what new sessions give that are told what is left.
func wantSliding(t *testing.T, model *opencl.Model, held []int32, n, capacity, head int) (ids []int32, dropped, overflows int) {
	t.Helper()
	held = slices.Clone(held)
	for len(ids) < n {
		if len(held) > capacity {
			end := len(held) - (capacity-head+1)/2
			dropped += end - head
			overflows++
			held = slices.Delete(held, head, end)
		}
		part := min(n-len(ids), capacity+1-len(held))
		more, _ := answer(t, newSession(t, model), opencl.Tokens(held), opencl.WithMaxTokens(part), opencl.WithIgnoreEnd())
		ids, held = append(ids, more...), append(held, more...)
	}
	return ids, dropped, overflows
}

func TestOverflow_Good(t *testing.T) {
	model := tinyModel(t)
	prompt := loadGolden(t).Prompts[0].IDs
	for head, option := range map[int]opencl.GenerateOption{0: opencl.WithSlide(), 6: opencl.WithKeepHead(6)} {
		session, err := model.NewSession(opencl.SessionConfig{Capacity: 16})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		var result opencl.Result
		again := 0
		ids, _ := answer(t, session, opencl.Tokens(prompt), option, opencl.WithMaxTokens(50), opencl.WithIgnoreEnd(),
			opencl.WithResult(&result), opencl.WithPrefill(func(done, total uint64) { again++ }))
		want, dropped, overflows := wantSliding(t, model, prompt, 50, 16, head)
		if !slices.Equal(ids, want) {
			t.Errorf("head %d: %v, want %v", head, ids, want)
		}
		if result.Finish != opencl.FinishLength || result.DroppedTokens != uint64(dropped) ||
			result.Overflows != uint64(overflows) || overflows < 3 || again != overflows+1 || session.Len() > 16 {
			t.Errorf("head %d: %+v, %d tokens held, want %d dropped in %d", head, result, session.Len(), dropped, overflows)
		}
	}
}

func TestOverflow_Bad_NoSuchHead(t *testing.T) {
	session, err := tinyModel(t).NewSession(opencl.SessionConfig{Capacity: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for _, head := range []int{0, 15, -1} {
		errs := 0
		for _, err := range session.Generate(context.Background(), opencl.Tokens{1, 2}, opencl.WithKeepHead(head)) {
			if !errors.Is(err, opencl.ErrArgument) || !strings.Contains(err.Error(), "head") {
				t.Errorf("head %d: %v", head, err)
			}
			errs++
		}
		if errs != 1 || session.Len() != 0 {
			t.Errorf("head %d: %d errors, %d tokens held", head, errs, session.Len())
		}
	}
}

// A context length bounds what a generation sees; with WithSlide its text goes on.
func TestContextLen_Good_Slides(t *testing.T) {
	m := loadText(t, inference.WithContextLen(16))
	g := loadGolden(t).Generate[0] // a prompt of 5 tokens
	for head, option := range map[int]inference.GenerateOption{0: inference.WithSlide(), 3: inference.WithKeepHead(3)} {
		ids, _ := collect(t, m, m.Generate(background, g.Prompt, option, inference.WithMaxTokens(40)))
		want, _, _ := wantSliding(t, tinyModel(t), loadGolden(t).Prompts[0].IDs, 40, 16, head)
		if !slices.Equal(ids, want[:len(ids)]) || len(ids) <= 12 {
			t.Errorf("head %d: %v, want %v", head, ids, want)
		}
		batch, err := m.BatchGenerate(background, []string{g.Prompt}, option, inference.WithMaxTokens(40))
		if err != nil || batch[0].Err != nil || !slices.Equal(idsOf(batch[0].Tokens), ids) {
			t.Errorf("head %d: %v, %v, want %v", head, batch, err, ids)
		}
	}
	ids, _ := collect(t, m, m.Generate(background, strings.Repeat("word ", 50), inference.WithSlide(), inference.WithMaxTokens(3)))
	if len(ids) == 0 {
		t.Error("no token after a long prompt")
	}
	for range m.Generate(background, g.Prompt, inference.WithKeepHead(-1)) {
		t.Error("a head of -1 tokens")
	}
	if !errors.Is(m.Err(), opencl.ErrArgument) {
		t.Error(m.Err())
	}
}
