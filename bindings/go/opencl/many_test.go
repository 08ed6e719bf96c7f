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

func TestManyTextsAreEachAlone(t *testing.T) {
	model := tinyModel(t)
	ctx := context.Background()
	completions := []string{" fox jumps", " dog", ""}
	scores, err := newSession(t, model).ScoreMany(ctx, "The quick brown", completions)
	if err != nil || len(scores) != 3 {
		t.Fatalf("%d scores, %v", len(scores), err)
	}
	if math.Abs(scores[0].Total+25.073009580602) > 1e-3 || scores[0].Err != nil || len(scores[0].LogProbs) != 2 {
		t.Errorf("score is %+v", scores[0])
	}
	var failed *opencl.Error
	if !errors.As(scores[2].Err, &failed) || failed.Status != opencl.ErrArgument {
		t.Errorf("error is %v, want ErrArgument", scores[2].Err)
	}

	prompts := []string{"The quick brown", "Once upon a time"}
	classes, err := model.Classify(ctx, prompts, completions[:2])
	if err != nil || len(classes) != 2 || len(classes[0].LogProbs) != 2 {
		t.Fatalf("classes are %+v, %v", classes, err)
	}
	for i, logprob := range classes[0].LogProbs {
		if math.Abs(float64(logprob)-scores[i].Total) > 1e-4 {
			t.Errorf("label %d is worth %v, want %v", i, logprob, scores[i].Total)
		}
	}
	if best := classes[0].Label; classes[0].Text != completions[best] ||
		classes[0].LogProbs[best] != slices.Max(classes[0].LogProbs) {
		t.Errorf("class is %+v", classes[0])
	}
	tokens, err := model.Classify(ctx, prompts, nil)
	if err != nil || len(tokens) != 2 || tokens[0].Token < 0 || tokens[0].Label != -1 {
		t.Errorf("classes are %+v, %v", tokens, err)
	}

	vectors, err := model.Embed(ctx, prompts, opencl.PoolMean)
	if err != nil || len(vectors) != 2 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, vector := range vectors {
		sum := 0.0
		for _, x := range vector.Vector {
			sum += float64(x) * float64(x)
		}
		if vector.Err != nil || math.Abs(sum-1) > 1e-5 {
			t.Errorf("length is %v, %v", math.Sqrt(sum), vector.Err)
		}
	}
	if none, err := model.Embed(ctx, nil, opencl.PoolMean); err != nil || len(none) != 0 {
		t.Errorf("%d vectors of no text, %v", len(none), err)
	}
}
