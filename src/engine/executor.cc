#include "engine/executor.h"

#include <algorithm>

#include "tensor/recording.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr size_t kMaxRecordings = 16;
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

struct Executor::Recorded {
  StepShape shape;
  Mode mode = Mode::kPrefill;
  Adapters adapters;  // alive: they tell when they go
  int64_t layers = 0;
  std::unique_ptr<Recording> recording;
  Buffer logits;  // kLogits, kSample: [M, V]; kHidden: [M, D]
  Buffer scores;  // kScores: [M, kScoreFloats]
};

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
              (call.mode != Mode::kSample || call.samples.size() == M),
          Status::kInternal, "step: {} outputs; {} logits, {} targets, {} samples", M, logits,
          call.targets.size(), call.samples.size());
  bool moved = step_.Reserve(*device_, rows) || recorded_version_ != cache_->version();
  if (call.mode == Mode::kSample) moved |= sampler_.Set(*device_, call.samples);
  const Adapters adapters = AdaptersOf(call.rows);
  moved |= ReserveCoefs(static_cast<int64_t>(adapters.size()));
  if (moved) recorded_.clear();
  recorded_version_ = cache_->version();
  Recorded& recorded =
      RecordedFor(shape, call.mode, hidden ? call.layers : dims.num_layers, adapters);
  step_.Set(*device_, rows);
  if (!adapters.empty()) SetCoefs(call.rows, adapters, shape.tokens);
  if (call.mode == Mode::kScores) device_->Write(targets_, 0, std::as_bytes(call.targets));
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

Executor::Recorded& Executor::RecordedFor(const StepShape& shape, Mode mode, int64_t layers,
                                          const Adapters& adapters) {
  const auto found = std::ranges::find_if(recorded_, [&](const auto& r) {
    return r->shape == shape && r->mode == mode && r->layers == layers && r->adapters == adapters;
  });
  if (found != recorded_.end()) {
    recorded_.splice(recorded_.begin(), recorded_, found);
  } else {
    recorded_.push_front(Record(shape, mode, layers, adapters));
    if (recorded_.size() > kMaxRecordings) recorded_.pop_back();
  }
  return *recorded_.front();
}

std::unique_ptr<Executor::Recorded> Executor::Record(const StepShape& shape, Mode mode,
                                                     int64_t layers, const Adapters& adapters) {
  auto out = std::make_unique<Recorded>();
  out->shape = shape;
  out->mode = mode;
  out->layers = layers;
  out->adapters = adapters;
  out->recording = std::make_unique<Recording>(device_, FamilyOf(*device_), arena_);
  Recording& recording = *out->recording;
  // Of one token: then launches count. A program is compiled for each shape of these.
  if (shape.tokens == 1 && mode != Mode::kPrefill) recording.UseOneLaunch();
  if (options_.rounds_activations) recording.RoundActivations();
  const Step step = step_.step(shape);
  std::vector<StepAdapter> beside;
  for (size_t i = 0; i < adapters.size(); ++i) {
    beside.push_back({&adapters[i]->blocks(), {coefs_, static_cast<int64_t>(i) * shape.tokens}});
  }
  const ResidualStream stream = network_.Forward(recording, step, *cache_, layers, beside);
  const int64_t M = shape.outputs;
  if (mode == Mode::kLogits || mode == Mode::kSample) {
    const Tensor logits = network_.Logits(recording, step, stream, 0, M);
    out->logits = logits.buffer;
    if (mode == Mode::kSample) sampler_.Record(recording, logits);
  }
  if (mode == Mode::kHidden && M > 0) {
    const bool is_last = layers == network_.dims().num_layers;
    out->logits = network_.Hidden(recording, step, stream, 0, M, is_last).buffer;
  }
  if (mode == Mode::kScores) {
    const Tensor scores = recording.Temp({M, kScoreFloats});
    out->scores = scores.buffer;
    for (int64_t first = 0; first < M; first += logits_rows()) {
      const int64_t n = std::min(logits_rows(), M - first);
      ScoreRows(recording, network_.Logits(recording, step, stream, first, n), targets_, first,
                scores);
    }
  }
  return out;
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
