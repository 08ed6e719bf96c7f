//go:build cgo && !noopencl

package opencl_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"libinference.dev/inference/opencl"
)

func peftAdapter(t testing.TB, model *opencl.Model) *opencl.Adapter {
	t.Helper()
	path := filepath.Join(tinyFolder, "adapter-peft")
	adapter, err := model.LoadAdapter(context.Background(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { adapter.Close() })
	return adapter
}

func TestAdapterTellsWhatItIs(t *testing.T) {
	model := tinyModel(t)
	adapter := peftAdapter(t, model)
	info, err := adapter.Info()
	if err != nil {
		t.Fatal(err)
	}
	if info.Format != "peft" || info.MaxRank != 8 || info.Modules != 2*info.Layers || len(info.Hash) != 32 ||
		info.Bytes < 4*info.Parameters || info.Parameters == 0 {
		t.Errorf("info is %+v", info)
	}
	if _, err := model.LoadAdapter(context.Background(), "/nowhere", nil); !errors.Is(err, opencl.ErrNotFound) {
		t.Errorf("error is %v, want NOT_FOUND", err)
	}
	if _, err := adapter.Null(1, 0, 1); !errors.Is(err, opencl.ErrArgument) {
		t.Errorf("error is %v, want ARG", err)
	}
}

func TestAdaptersOfSessionAndRequest(t *testing.T) {
	model, want := tinyModel(t), loadGolden(t).Generate[0]
	noise, err := peftAdapter(t, model).Null(1, 0.5, 1)
	if err != nil {
		t.Fatal(err)
	}
	use := opencl.AdapterUse{Adapter: noise, Scale: 1}
	options := []opencl.GenerateOption{opencl.WithMaxTokens(8), opencl.WithIgnoreEnd()}

	session := newSession(t, model)
	if err := session.SetAdapters(use); err != nil {
		t.Fatal(err)
	}
	adapted, _ := answer(t, session, opencl.Text(want.Prompt), options...)
	if slices.Equal(adapted, want.IDs[:8]) {
		t.Errorf("the adapter changes nothing: %v", adapted)
	}
	ids, _ := answer(t, newSession(t, model), opencl.Text(want.Prompt),
		append(options, opencl.WithAdapters(use))...)
	if !slices.Equal(ids, adapted) {
		t.Errorf("ids of the request are %v, want the session's %v", ids, adapted)
	}
	if err := session.SetAdapters(); err != nil || session.Len() != 0 {
		t.Errorf("the session holds %d tokens (%v), want 0", session.Len(), err)
	}
	if ids, _ := answer(t, session, opencl.Text(want.Prompt), options...); !slices.Equal(ids, want.IDs[:8]) {
		t.Errorf("ids of the base are %v, want %v", ids, want.IDs[:8])
	}
	noise.Close()
	if err := session.SetAdapters(use); !errors.Is(err, opencl.ErrArgument) {
		t.Errorf("error is %v, want ARG for a closed adapter", err)
	}
}
