//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"libinference.dev/inference/opencl"
)

func TestDiffIsWhatEachSideScores(t *testing.T) {
	model := tinyModel(t)
	ctx := context.Background()
	use := opencl.AdapterUse{Adapter: peftAdapter(t, model), Scale: 1}
	text := "The quick brown fox jumps"
	diffs, err := model.Diff(ctx, []string{text, ""}, opencl.DiffConfig{
		Adapted: []opencl.AdapterUse{use}, TopK: 3})
	if err != nil || len(diffs) != 2 || diffs[0].Err != nil {
		t.Fatalf("diffs are %+v, %v", diffs, err)
	}
	diff := diffs[0]
	base := newSession(t, model)
	adapted := newSession(t, model)
	if err := adapted.SetAdapters(use); err != nil {
		t.Fatal(err)
	}
	want, err := base.ScoreRolling(ctx, diff.IDs, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	wantAdapted, err := adapted.ScoreRolling(ctx, diff.IDs, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(diff.Positions) != len(diff.IDs)-1 {
		t.Fatalf("%d positions of %d tokens", len(diff.Positions), len(diff.IDs))
	}
	for i, position := range diff.Positions {
		if position.Base != want.LogProbs[i] || position.Adapted != wantAdapted.LogProbs[i] {
			t.Errorf("position %d is %+v, want %v and %v", i, position, want.LogProbs[i], wantAdapted.LogProbs[i])
		}
		if position.KL <= 0 || position.KLReverse <= 0 || position.JS <= 0 || position.JS > math.Ln2 ||
			len(position.Moved) != 3 {
			t.Errorf("position %d is %+v", i, position)
		}
	}
	if math.Abs(diff.BaseLogProb-want.Total) > 1e-9 || diff.MeanKL <= 0 || diff.MaxKL < diff.MeanKL {
		t.Errorf("diff is %+v", diff)
	}

	last, err := model.Diff(ctx, []string{text, ""}, opencl.DiffConfig{
		Base: []opencl.AdapterUse{use}, Adapted: []opencl.AdapterUse{use}, LastOnly: true, TopK: 8})
	if err != nil || len(last[0].Positions) != 1 || last[0].MaxKL != 0 || len(last[0].Positions[0].Moved) != 0 {
		t.Errorf("the same sides differ: %+v, %v", last, err)
	}
	_, err = model.Diff(ctx, []string{text}, opencl.DiffConfig{TopK: 65})
	if !errors.Is(err, opencl.ErrArgument) {
		t.Errorf("error is %v, want ARG", err)
	}
}

func TestClassesAndVectorsUnderAdapters(t *testing.T) {
	model := tinyModel(t)
	ctx := context.Background()
	use := opencl.AdapterUse{Adapter: peftAdapter(t, model), Scale: 1}
	prompts, labels := []string{"The quick brown"}, []string{" fox", " dog"}
	plain, err := model.Classify(ctx, prompts, labels)
	if err != nil {
		t.Fatal(err)
	}
	classes, err := model.Classify(ctx, prompts, labels, use)
	if err != nil {
		t.Fatal(err)
	}
	session := newSession(t, model)
	if err := session.SetAdapters(use); err != nil {
		t.Fatal(err)
	}
	scores, err := session.ScoreMany(ctx, prompts[0], labels)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(classes[0].LogProbs, plain[0].LogProbs) ||
		math.Abs(float64(classes[0].LogProbs[0])-scores[0].Total) > 1e-5 {
		t.Errorf("labels are %v, of the base %v, scores %+v", classes[0].LogProbs, plain[0].LogProbs, scores)
	}
	base, err := model.Embed(ctx, prompts, opencl.PoolLast)
	if err != nil {
		t.Fatal(err)
	}
	vectors, err := model.Embed(ctx, prompts, opencl.PoolLast, use)
	if err != nil || slices.Equal(vectors[0].Vector, base[0].Vector) {
		t.Errorf("the adapter changes nothing, %v", err)
	}
}
