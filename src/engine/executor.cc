#include "engine/executor.h"

#include <algorithm>

#include "engine/executor_recorded.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kMaxLogits = int64_t{16} << 20;  // values of a piece: 64 MiB

// What the rows use, each once: in the order of their hashes, which is that of every row's sums.
std::vector<const Adapter*> AdaptersOf(std::span<const ExecutorRow> rows) {
  std::vector<const Adapter*> out;
  for (const ExecutorRow& row : rows) {
    for (const AdapterUse& use : row.adapters) out.push_back(use.adapter.get());
  }
  if (out.size() < 2) return out;
  std::ranges::stable_sort(
      out, {}, [](const Adapter* a) -> const auto& { return a->hash(); });
  const auto same = [](const Adapter* a, const Adapter* b) { return a->hash() == b->hash(); };
  out.erase(std::unique(out.begin(), out.end(), same), out.end());
  return out;
}

}  // namespace

Executor::Executor(std::shared_ptr<Device> device, const CausalLm& network, ExecutorOptions options)
    : device_(std::move(device)),
      network_(network),
      options_(std::move(options)),
      cache_(std::make_shared<KvCache>(device_, options_.cache_specs, options_.max_length,
                                       options_.max_tokens, options_.kv_limit)),
      arena_(std::make_shared<TempArena>(device_)),
      step_(*device_),
      sampler_(*device_, network.dims().vocab_size, 1),
      targets_(device_->Allocate(static_cast<uint64_t>(options_.max_tokens) * sizeof(int32_t))),
      merger_(device_,
              {.calls = static_cast<size_t>(std::max<int64_t>(options_.parallel_slots, 1)),
               .max_tokens = options_.max_tokens,
               .max_outputs = logits_rows()},
              [this](const Call& call) { Compute(call); }) {}

Executor::~Executor() = default;

int64_t Executor::logits_rows() const {
  return std::clamp(kMaxLogits / network_.dims().vocab_size, int64_t{1}, options_.max_tokens);
}

void Executor::Prefill(Rows rows, const CancelFlag* cancel) {
  merger_.Run({.mode = Mode::kPrefill, .rows = rows, .cancel = cancel});
}

void Executor::Logits(Rows rows, std::span<float> out, const CancelFlag* cancel) {
  merger_.Run({.mode = Mode::kLogits, .rows = rows, .cancel = cancel, .logits = {{0, out}}});
}

std::vector<RowScore> Executor::Scores(Rows rows, std::span<const int32_t> targets,
                                       const CancelFlag* cancel) {
  std::vector<RowScore> scores;
  merger_.Run({.mode = Mode::kScores,
               .rows = rows,
               .cancel = cancel,
               .targets = targets,
               .scores = &scores});
  return scores;
}

std::vector<RowDivergence> Executor::Divergences(Rows rows, std::span<const int32_t> targets,
                                                 int64_t top, const CancelFlag* cancel) {
  const size_t pairs = rows.size() / 2;
  for (size_t i = 0; i < rows.size(); ++i) {
    const ExecutorRow &a = rows[i], &b = rows[i % std::max<size_t>(pairs, 1)];
    Require(rows.size() % 2 == 0 && std::ranges::equal(a.ids, b.ids) && a.outputs == b.outputs,
            Status::kInternal, "step: row {} of {} is not one of a pair", i, rows.size());
  }
  std::vector<RowDivergence> divergences;
  merger_.Run({.mode = Mode::kDivergences,
               .rows = rows,
               .cancel = cancel,
               .top = top,
               .targets = targets,
               .divergences = &divergences});
  return divergences;
}

std::vector<int32_t> Executor::Sample(Rows rows, std::span<const SampleRow> samples,
                                      std::span<float> logits, const CancelFlag* cancel) {
  std::vector<int32_t> sampled;
  merger_.Run({.mode = Mode::kSample,
               .rows = rows,
               .cancel = cancel,
               .logits = {{0, logits}},
               .samples = samples,
               .sampled = &sampled});
  return sampled;
}

void Executor::Hidden(Rows rows, int64_t layers, std::span<float> out, const CancelFlag* cancel) {
  merger_.Run({.mode = Mode::kHidden,
               .rows = rows,
               .cancel = cancel,
               .layers = layers,
               .logits = {{0, out}}});
}

void Executor::Compute(const Call& call) {
  try {
    RunStep(call);
  } catch (const Error& error) {
    if (error.status() != Status::kOomDevice) throw;
    Trim();  // what other shapes took may be what this one lacks
    RunStep(call);
  }
}

void Executor::RunStep(const Call& call) {
  std::vector<StepRow> rows;
  for (const ExecutorRow& row : call.rows) {
    const auto tokens = static_cast<int64_t>(row.ids.size());
    rows.push_back({row.sequence->length() + row.ahead, row.ids, row.outputs,
                    row.sequence->Tables(row.ahead + tokens)});
  }
  const StepShape shape = ShapeOf(rows);
  const auto M = static_cast<size_t>(shape.outputs);
  const ModelDims& dims = network_.dims();
  const bool hidden = call.mode == Mode::kHidden;
  const auto V = static_cast<size_t>(hidden ? dims.hidden_size : dims.vocab_size);
  size_t logits = 0;
  for (const Call::Values& out : call.logits) {
    logits = std::max(logits, static_cast<size_t>(out.first) * V + out.values.size());
  }
  Require(logits <= M * V && logits % V == 0 &&
              (call.mode != Mode::kScores || call.targets.size() == M) &&
              (call.mode != Mode::kDivergences || 2 * call.targets.size() == M) &&
              (call.mode != Mode::kSample || call.samples.size() == M),
          Status::kInternal, "step: {} outputs; {} logits, {} targets, {} samples", M, logits,
          call.targets.size(), call.samples.size());
  bool moved = step_.Reserve(*device_, rows) || recorded_version_ != cache_->version();
  if (call.mode == Mode::kSample) moved |= sampler_.Set(*device_, call.samples);
  const Adapters adapters = AdaptersOf(call.rows);
  moved |= ReserveCoefs(static_cast<int64_t>(adapters.size()));
  if (moved) recorded_.clear();
  recorded_version_ = cache_->version();
  const int64_t layers = hidden ? call.layers : dims.num_layers;
  Recorded& recorded = RecordedFor(shape, {call.mode, layers, call.top}, adapters);
  step_.Set(*device_, rows);
  if (!adapters.empty()) SetCoefs(call.rows, adapters, shape.tokens);
  if (!call.targets.empty()) device_->Write(targets_, 0, std::as_bytes(call.targets));
  int64_t position = 0;
  for (const StepRow& row : rows) position = std::max(position, row.position);
  recorded.recording->Run(position, call.cancel);
  Read(call, recorded);
}

void Executor::Read(const Call& call, const Recorded& recorded) {
  const ModelDims& dims = network_.dims();
  const int64_t width = call.mode == Mode::kHidden ? dims.hidden_size : dims.vocab_size;
  for (const Call::Values& out : call.logits) {
    device_->Read(recorded.logits, static_cast<uint64_t>(out.first * width) * sizeof(float),
                  std::as_writable_bytes(out.values));
  }
  switch (call.mode) {
    case Mode::kPrefill:
    case Mode::kLogits:
    case Mode::kHidden:
      device_->Finish();
      break;
    case Mode::kScores: {
      std::vector<float> values(call.targets.size() * kScoreFloats);
      device_->Read(recorded.scores, 0, std::as_writable_bytes(std::span(values)));
      *call.scores = ScoresFrom(values);
      break;
    }
    case Mode::kDivergences: {
      std::vector<float> values(call.targets.size() *
                                static_cast<size_t>(DivergenceFloats(call.top)));
      device_->Read(recorded.scores, 0, std::as_writable_bytes(std::span(values)));
      *call.divergences = DivergencesFrom(values, call.top);
      break;
    }
    case Mode::kSample:
      *call.sampled = sampler_.Results(*device_, recorded.shape.outputs);
      break;
  }
}

bool Executor::ReserveCoefs(int64_t adapters) {
  const auto bytes = static_cast<uint64_t>(adapters * options_.max_tokens) * sizeof(float);
  if (adapters == 0 || bytes <= coefs_.size()) return false;
  coefs_ = device_->Allocate(2 * bytes);
  return true;
}

void Executor::SetCoefs(Rows rows, const Adapters& adapters, int64_t T) {
  std::vector<float> coefs(adapters.size() * static_cast<size_t>(T));
  size_t token = 0;
  for (const ExecutorRow& row : rows) {
    for (const AdapterUse& use : row.adapters) {
      const auto i = static_cast<size_t>(
          std::ranges::find(adapters, use.adapter->hash(), &Adapter::hash) - adapters.begin());
      std::fill_n(coefs.begin() + static_cast<std::ptrdiff_t>(i * static_cast<size_t>(T) + token),
                  row.ids.size(), use.scale);
    }
    token += row.ids.size();
  }
  device_->Write(coefs_, 0, std::as_bytes(std::span(coefs)));
}

void Executor::Forget(const Adapter& adapter) {
  device_->Run([&] {
    recorded_.remove_if([&](const auto& r) {
      return std::ranges::find(r->adapters, &adapter) != r->adapters.end();
    });
  });
}

void Executor::DropRecordings() {
  recorded_.clear();
  arena_->Clear();
}

void Executor::Trim() {
  DropRecordings();
  cache_->GiveBack();
}

}  // namespace inference
