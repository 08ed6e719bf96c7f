#include "ops/matmul.h"

#include <algorithm>

#include "device/int8_dot.h"
#include "util/error.h"

namespace inference {

namespace {

// Of cl/matmul_common.cl and those beside it.
constexpr int64_t kTile = 12;           // TILE: tokens
constexpr int64_t kUnit = 32;           // columns
constexpr int64_t kPreparedRows = 36;   // PREPARED_ROWS
constexpr int64_t kPanelFloats = 2304;  // PANEL_WORDS of cl/matmul.cl
constexpr int64_t kByteRows = 12;       // BYTE_ROWS of cl/matmul_common.cl
constexpr int64_t kPanelWords = 3584;   // PANEL_WORDS of cl/matmul_int8.cl
constexpr int64_t kPanel = 32;          // rows that cl/matmul_panels.cl unpacks at once
constexpr int64_t kFewTile = 8;         // FEW_TOKENS
constexpr int64_t kMostFew = 16;        // rows that cl/matmul_few.cl takes: beyond, unpacking pays

// INPUT_* in cl/matmul_common.cl.
int32_t InputMode(const MatmulInput& input) {
  if (input.delta) return 2;
  return input.norm_weight ? 1 : 0;
}

int64_t Ceil(int64_t n, int64_t per) { return (n + per - 1) / per; }

int64_t PaddedColumns(int64_t D) { return Ceil(D, kUnit) * kUnit; }

// ROW_FLOATS in cl/matmul_common.cl.
int64_t RowScratch(int64_t padded) { return padded + padded / 16 + padded / kUnit; }

// All but plain values and the unsigned bytes of MLX fit a signed byte.
bool HasByteForm(const WeightFormat& format) {
  return format.is_affine() ? format.bits < 8 : BlockColumns(format) > 1;
}

std::string RoundingDefine(const Recording& recording) {
  return recording.rounds_activations() ? " -D INT8" : "";
}

bool IsGated(Epilogue epilogue) {
  return epilogue == Epilogue::kSiluGate || epilogue == Epilogue::kGeluGate;
}

bool ReadsOther(Epilogue epilogue) {
  return epilogue == Epilogue::kAdd || epilogue == Epilogue::kMulSilu ||
         epilogue == Epilogue::kMulGelu;
}

int32_t HasBias(const PackedMatrix& W) { return W.bias ? 1 : 0; }

uint64_t FloatBytes(int64_t values) { return static_cast<uint64_t>(values) * sizeof(float); }

// Making T rows of input ready: what it reads, computes, and writes besides the result.
Work InputWork(const MatmulInput& input, int64_t T, int64_t D) {
  const int64_t norms = (input.norm_weight ? 1 : 0) + (input.delta ? 1 : 0);
  return {.weight_bytes = FloatBytes(norms * D),
          .read_bytes = FloatBytes((input.delta ? 2 : 1) * T * D),
          .written_bytes = input.delta ? FloatBytes(T * D) : 0,
          .flops = static_cast<uint64_t>((4 * norms + (input.delta ? 1 : 0)) * T * D)};
}

// T rows of input, ready, times W.
Work ProductWork(const PackedMatrix& W, int64_t T, const ProjectOptions& options) {
  const int64_t outputs = IsGated(options.epilogue) ? W.rows / 2 : W.rows;
  return {.what = fmt::format("{} {}x{}", NameOf(W.format), W.rows, W.cols),
          .weight_bytes = PackedBytes(W.format, W.rows, W.cols) + (W.bias ? FloatBytes(W.rows) : 0),
          .read_bytes = FloatBytes(T * (W.cols + (options.other ? W.rows : 0))),
          .written_bytes = FloatBytes(T * outputs),
          .flops = static_cast<uint64_t>(2 * T * W.rows * W.cols)};
}

// Rare epilogues are compiled only where they are used.
std::string Defines(const Recording& recording, const PackedMatrix& W,
                    const ProjectOptions& options) {
  std::string out = TypeDefine(W.format) + RoundingDefine(recording);
  if (options.epilogue == Epilogue::kSoftCap) {
    out += fmt::format(" -D SOFT_CAP={:.9e}f", options.soft_cap);
  }
  if (options.epilogue == Epilogue::kMulSilu || options.epilogue == Epilogue::kMulGelu) {
    out += " -D MUL_GATE";
  }
  return out;
}

void CheckInput(const MatmulInput& input, int64_t T, int64_t D) {
  Require(input.x.shape.size() == 2, Status::kInternal, "matmul: x has {} axes, want 2",
          input.x.shape.size());
  Require(T >= 1, Status::kInternal, "matmul: rows [{}, {}) are empty", input.first_row,
          input.x.dim(0));
  const auto check = [&](const Tensor& t, const Shape& want, const char* name) {
    Require(!t || t.shape == want, Status::kInternal, "matmul: {} is [{}], want [{}]", name,
            fmt::join(t.shape, ", "), fmt::join(want, ", "));
  };
  check(input.norm_weight, {D}, "norm_weight");
  check(input.delta, input.x.shape, "delta");
  check(input.delta_norm_weight, {D}, "delta_norm_weight");
  Require(!input.delta || (input.delta_norm_weight && input.norm_weight), Status::kInternal,
          "matmul: a delta needs both norm weights");
}

// One row on a CPU device: the kernel prepares its input itself.
void Matvec(Recording& recording, const PreparedInput& a, const PackedMatrix& W, const Tensor& y,
            const ProjectOptions& options) {
  const MatmulInput& in = a.input;
  const int64_t units = (W.rows + 15) / 16 / (IsGated(options.epilogue) ? 2 : 1);
  const int64_t padded = PaddedColumns(a.D);
  const Tensor scratch = recording.Temp({recording.PartsFor(units), RowScratch(padded)});
  Work work = ProductWork(W, 1, options);
  const Work input = InputWork(in, 1, a.D);
  work.weight_bytes += input.weight_bytes;
  work.read_bytes += input.read_bytes - FloatBytes(a.D);  // the ready row is never stored
  work.written_bytes += input.written_bytes;
  work.flops += input.flops;
  recording.Launch("matvec", {"weights", "matmul_common", "matvec"}, Defines(recording, W, options),
                   units, work, y.buffer, a.sum.buffer, scratch.buffer, W.data, in.x.buffer,
                   in.norm_weight.buffer, in.delta.buffer, in.delta_norm_weight.buffer, W.bias,
                   options.other.buffer, static_cast<int32_t>(a.D), static_cast<int32_t>(padded),
                   static_cast<int32_t>(W.rows), static_cast<int32_t>(in.first_row),
                   static_cast<int32_t>(options.column), in.eps, InputMode(in),
                   static_cast<int32_t>(options.epilogue), HasBias(W));
}

// A few rows on a CPU device: so does this one.
void MatmulFew(Recording& recording, const PreparedInput& a, const PackedMatrix& W, const Tensor& y,
               const ProjectOptions& options) {
  const MatmulInput& in = a.input;
  const int64_t units = (W.rows + 15) / 16 / (IsGated(options.epilogue) ? 2 : 1);
  const int64_t padded = PaddedColumns(a.D), tiles = Ceil(a.T, kFewTile);
  const Tensor scratch =
      recording.Temp({recording.PartsFor(units),
                      kFewTile * (kUnit + padded + tiles * padded / kUnit * kPreparedRows)});
  Work work = ProductWork(W, a.T, options);
  const Work input = InputWork(in, a.T, a.D);
  work.weight_bytes += input.weight_bytes;
  work.read_bytes += input.read_bytes - FloatBytes(a.T * a.D);  // ready rows are never stored
  work.written_bytes += input.written_bytes;
  work.flops += input.flops;
  const bool in_bytes =
      recording.rounds_activations() && HasByteForm(W.format) && recording.device().HasVnni();
  std::vector<std::string> files = {"weights", "matmul_common", "matmul_few_input"};
  if (in_bytes) {
    work.what += ", in bytes";
    files.insert(files.end(), {"code_bytes", "matmul_few_int8"});
  } else {
    files.emplace_back("matmul_few_float");
  }
  files.emplace_back("matmul_few");
  recording.Launch("matmul_few", files, Defines(recording, W, options), units, work, y.buffer,
                   a.sum.buffer, scratch.buffer, W.data, in.x.buffer, in.norm_weight.buffer,
                   in.delta.buffer, in.delta_norm_weight.buffer, W.bias, options.other.buffer,
                   static_cast<int32_t>(a.T), static_cast<int32_t>(a.D),
                   static_cast<int32_t>(padded), static_cast<int32_t>(W.rows),
                   static_cast<int32_t>(in.first_row), static_cast<int32_t>(y.shape.back()),
                   static_cast<int32_t>(options.column), in.eps, InputMode(in),
                   static_cast<int32_t>(options.epilogue), HasBias(W));
}

// The input in floats, which a type without a form in bytes needs.
Tensor Widen(Recording& recording, const PreparedInput& a) {
  const int64_t units = a.bytes.dim(0) * a.bytes.dim(1);
  Tensor packed = recording.Temp({a.bytes.dim(0), a.bytes.dim(1), kPreparedRows, kTile});
  recording.Launch("widen_int8", {"matmul_common", "matmul_prepare_int8"}, "", units,
                   Work{.what = fmt::format("{} columns", a.D),
                        .read_bytes = FloatBytes(units * kByteRows * kTile),
                        .written_bytes = FloatBytes(units * kPreparedRows * kTile)},
                   packed.buffer, a.bytes.buffer, static_cast<int32_t>(units));
  return packed;
}

// Many rows on a CPU device.
void MatmulPanels(Recording& recording, const PreparedInput& a, const PackedMatrix& W,
                  const Tensor& y, const ProjectOptions& options) {
  const int64_t units = (W.rows + kPanel - 1) / kPanel, padded = PaddedColumns(a.D);
  const bool in_bytes = a.bytes && HasByteForm(W.format);
  const Tensor input = in_bytes ? a.bytes : a.bytes ? Widen(recording, a) : a.packed;
  const int64_t panel = in_bytes ? kPanelWords : kPanelFloats;
  const Tensor scratch =
      recording.Temp({recording.PartsFor(units), panel + (a.T + kTile) * kPanel});
  Work work = ProductWork(W, a.T, options);
  if (in_bytes) work.what += ", in bytes";
  std::vector<std::string> files = {"weights", "matmul_common", "matmul", "matmul_panels"};
  if (in_bytes) {
    files = {"weights", "matmul_common", "code_bytes", "matmul_int8", "matmul_panels"};
  }
  recording.Launch("matmul_panels", files, Defines(recording, W, options), units, work, y.buffer,
                   scratch.buffer, W.data, input.buffer, W.bias, options.other.buffer,
                   static_cast<int32_t>(a.T), static_cast<int32_t>(a.D),
                   static_cast<int32_t>(padded), static_cast<int32_t>(W.rows),
                   static_cast<int32_t>(y.shape.back()), static_cast<int32_t>(options.column),
                   static_cast<int32_t>(options.epilogue), HasBias(W));
}

// Any rows on other devices: the kernel that the device's tuning names.
void MatmulOnGpu(Recording& recording, const PreparedInput& a, const PackedMatrix& W,
                 const Tensor& y, const ProjectOptions& options) {
  const Device& device = recording.device();
  const bool blocks = BlockColumns(W.format) > 1;
  // Only matmul_each knows rounded inputs.
  const MatmulChoice choice = recording.rounds_activations()
                                  ? MatmulChoice{}
                                  : device.tuning().ForMatmul(device.info(), blocks, W.rows, a.T);
  const std::string kernel(MatmulKernelName(choice.kernel));
  const int64_t outputs = IsGated(options.epilogue) ? W.rows / 2 : W.rows;
  std::vector<std::string> files = {"weights", "matmul_common", "weights_eight", kernel};
  std::string defines = Defines(recording, W, options);
  if (recording.rounds_activations()) {
    files.insert(files.begin(), "int8_dot");
    defines += Int8DotDefine(recording.device().BestInt8Dot());
  }
  const Buffer& input = recording.rounds_activations() ? a.bytes.buffer : a.packed.buffer;
  int64_t groups = 0;
  switch (choice.kernel) {
    case MatmulKernel::kEach:
      groups = Ceil(a.T * outputs, choice.group());
      break;
    case MatmulKernel::kLanes:
      groups = a.T * Ceil(outputs, 16);
      break;
    case MatmulKernel::kTiles:
      groups = Ceil(a.T, choice.tokens) * Ceil(W.rows, choice.rows);
      defines += fmt::format(" -D ROWS={} -D TOKENS={} -D ITEM_TOKENS={}", choice.rows,
                             choice.tokens, choice.item_tokens);
      break;
  }
  recording.LaunchGroups(kernel, files, defines, groups, choice.group(),
                         ProductWork(W, a.T, options), y.buffer, W.data, input, W.bias,
                         options.other.buffer, static_cast<int32_t>(a.T), static_cast<int32_t>(a.D),
                         static_cast<int32_t>(PaddedColumns(a.D)), static_cast<int32_t>(W.rows),
                         static_cast<int32_t>(y.shape.back()), static_cast<int32_t>(options.column),
                         static_cast<int32_t>(options.epilogue), HasBias(W));
}

}  // namespace

PreparedInput PrepareInput(Recording& recording, const MatmulInput& input) {
  PreparedInput out;
  out.T = input.x.dim(0) - input.first_row;
  out.D = input.x.dim(1);
  out.input = input;
  CheckInput(input, out.T, out.D);
  if (input.delta) out.sum = recording.Temp({out.T, out.D});
  const bool cpu = recording.family() == KernelFamily::kCpu;
  if (cpu && out.T <= kMostFew) return out;

  const int64_t padded = PaddedColumns(out.D), tile = cpu ? kTile : 1;
  const int64_t tiles = (out.T + tile - 1) / tile;
  const Tensor scratch = recording.Temp({recording.PartsFor(tiles), tile, RowScratch(padded)});
  Work work = InputWork(input, out.T, out.D);
  work.what = fmt::format("{} columns", out.D);
  const std::string defines = RoundingDefine(recording) + (cpu ? "" : " -D TILE=1");
  const auto launch = [&](const char* kernel, const char* file, const Tensor& to) {
    recording.Launch(kernel, {"matmul_common", file}, defines, tiles, work, to.buffer,
                     out.sum.buffer, scratch.buffer, input.x.buffer, input.norm_weight.buffer,
                     input.delta.buffer, input.delta_norm_weight.buffer,
                     static_cast<int32_t>(out.T), static_cast<int32_t>(out.D),
                     static_cast<int32_t>(padded), static_cast<int32_t>(input.first_row), input.eps,
                     InputMode(input));
  };
  if (recording.rounds_activations() && (!cpu || recording.device().HasVnni())) {
    out.bytes = recording.Temp({tiles, padded / kUnit, kByteRows, tile});
    work.written_bytes += FloatBytes(out.T * padded / kUnit * kByteRows);
    launch("prepare_int8", "matmul_prepare_int8", out.bytes);
  } else {
    out.packed = recording.Temp({tiles, padded / kUnit, kPreparedRows, tile});
    work.written_bytes += FloatBytes(out.T * padded);
    launch("prepare", "matmul_prepare", out.packed);
  }
  return out;
}

void Project(Recording& recording, const PreparedInput& a, const PackedMatrix& W, const Tensor& y,
             const ProjectOptions& options) {
  const bool is_gated = IsGated(options.epilogue);
  const int64_t outputs = is_gated ? W.rows / 2 : W.rows, end = options.column + outputs;
  Require(W.cols == a.D, Status::kInternal, "project: weight is [{}, {}], input has {} columns",
          W.rows, W.cols, a.D);
  Require(y.shape.size() == 2 && y.dim(0) == a.T && end <= y.dim(1), Status::kInternal,
          "project: y is [{}], want [{}, >= {}]", fmt::join(y.shape, ", "), a.T, end);
  Require(!is_gated || W.rows % 32 == 0, Status::kInternal,
          "project: a gated weight has {} rows, want a multiple of 32", W.rows);
  Require(!ReadsOther(options.epilogue) || options.other.shape == Shape{a.T, W.rows},
          Status::kInternal, "project: residual or gate is [{}], want [{}, {}]",
          fmt::join(options.other.shape, ", "), a.T, W.rows);
  Require(options.epilogue != Epilogue::kSoftCap || options.soft_cap > 0.0f, Status::kInternal,
          "project: the soft cap is {}, want a positive number", options.soft_cap);
  if (recording.family() == KernelFamily::kGpu) {
    MatmulOnGpu(recording, a, W, y, options);
  } else if (a.T == 1) {
    Matvec(recording, a, W, y, options);
  } else if (a.T <= kMostFew) {
    MatmulFew(recording, a, W, y, options);
  } else {
    MatmulPanels(recording, a, W, y, options);
  }
}

}  // namespace inference
