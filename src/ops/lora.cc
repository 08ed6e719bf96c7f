#include "ops/lora.h"

#include <algorithm>
#include <cmath>

#include "util/error.h"

namespace inference {

namespace {

// Of cl/lora.cl and cl/lora_group.cl.
constexpr int64_t kTokens = 4;  // LORA_TOKENS
constexpr int64_t kRows = 4;    // LORA_ROWS
constexpr int64_t kLanes = 16;
constexpr int64_t kUnit = 32;          // columns
constexpr int64_t kPreparedRows = 36;  // PREPARED_ROWS of cl/matmul_common.cl
constexpr int32_t kGroup = 64;         // work-items

int64_t Ceil(int64_t n, int64_t per) { return (n + per - 1) / per; }
int64_t Padded(int64_t n) { return Ceil(n, kLanes) * kLanes; }

uint64_t FloatBytes(int64_t values) { return static_cast<uint64_t>(values) * sizeof(float); }

// Values on the device: of A, and of B.
struct Sizes {
  int64_t A = 0, B = 0;
};

Sizes SizesOf(std::span<const LoraValues> layers) {
  Sizes out;
  for (const LoraValues& layer : layers) {
    out.A += layer.rank * Padded(layer.in);
    out.B += layer.rank * Padded(layer.out);
  }
  return out;
}

void CheckValues(std::span<const LoraValues> layers) {
  Require(!layers.empty() && layers.size() <= kMaxLoraParts, Status::kInternal,
          "lora: {} layers in a group, want 1 to {}", layers.size(), kMaxLoraParts);
  for (const LoraValues& layer : layers) {
    Require(layer.rank > 0 && layer.in > 0 && layer.out > 0 && layer.in == layers[0].in &&
                std::cmp_equal(layer.A.size(), layer.rank * layer.in) &&
                std::cmp_equal(layer.B.size(), layer.out * layer.rank),
            Status::kInternal, "lora: A has {} values, B {}, want [{}, {}] and [{}, {}]",
            layer.A.size(), layer.B.size(), layer.rank, layers[0].in, layer.out, layer.rank);
  }
}

Buffer Write(Device& device, const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  Buffer out = device.Allocate(bytes.size());
  device.Run([&] { device.Write(out, 0, bytes); });
  return out;
}

// INPUT_* in cl/matmul_common.cl.
int32_t InputMode(const MatmulInput& input) {
  if (input.delta) return 2;
  return input.norm_weight ? 1 : 0;
}

int64_t BlocksOf(const LoraGroup& group) {
  int64_t blocks = 0;
  for (const LoraGroup::Part& part : group.parts) blocks += Ceil(part.out, kLanes);
  return blocks;
}

Work DownWork(const LoraGroup& group, int64_t T) {
  return {.what = fmt::format("F32 {}x{}", group.ranks, group.in),
          .weight_bytes = FloatBytes(group.ranks * group.in),
          .read_bytes = FloatBytes(T * group.in),
          .written_bytes = FloatBytes(T * group.ranks),
          .flops = static_cast<uint64_t>(2 * T * group.ranks * group.in)};
}

Work UpWork(const LoraGroup& group, int64_t T) {
  int64_t outputs = 0, products = 0;
  for (const LoraGroup::Part& part : group.parts) {
    outputs += part.out;
    products += part.out * part.rank;
  }
  return {.what = fmt::format("F32 {} of {}", outputs, group.ranks),
          .weight_bytes = FloatBytes(products),
          .read_bytes = FloatBytes(T * (group.ranks + outputs)),
          .written_bytes = FloatBytes(T * outputs),
          .flops = static_cast<uint64_t>(2 * T * (products + outputs))};
}

// The input as rows of units of 32 columns, `unit_rows` values apart.
Tensor UnitRows(Recording& recording, const PreparedInput& a, const LoraCoefs& coefs,
                int64_t* unit_rows) {
  *unit_rows = kPreparedRows;
  if (a.packed) return a.packed;
  *unit_rows = kUnit;
  const int64_t ld = Ceil(a.D, kUnit) * kUnit;
  Tensor rows = recording.Temp({a.T, ld});
  const MatmulInput& in = a.input;
  recording.Launch("lora_input", {"matmul_common", "lora"}, "", a.T,
                   Work{.what = fmt::format("{} columns", a.D),
                        .read_bytes = FloatBytes(a.T * a.D),
                        .written_bytes = FloatBytes(a.T * ld)},
                   rows.buffer, in.x.buffer, in.norm_weight.buffer, in.delta.buffer,
                   in.delta_norm_weight.buffer, coefs.buffer, static_cast<int32_t>(a.T),
                   static_cast<int32_t>(a.D), static_cast<int32_t>(ld),
                   static_cast<int32_t>(coefs.first), in.eps, InputMode(in));
  return rows;
}

void DownOnGpu(Recording& recording, const PreparedInput& a, const LoraGroup& group,
               const LoraCoefs& coefs, const Tensor& h) {
  int64_t unit_rows = 0;
  const Tensor rows = UnitRows(recording, a, coefs, &unit_rows);
  recording.LaunchGroups("lora_down_group", {"matmul_common", "lora", "lora_group"}, "",
                         a.T * Ceil(group.ranks, kGroup / kLanes), kGroup, DownWork(group, a.T),
                         h.buffer, group.A, rows.buffer, coefs.buffer, static_cast<int32_t>(a.D),
                         static_cast<int32_t>(group.ranks), static_cast<int32_t>(unit_rows),
                         static_cast<int32_t>(coefs.first));
}

void CheckCoefs(const LoraCoefs& coefs, int64_t T) {
  Require(coefs.first >= 0 && FloatBytes(coefs.first + T) <= coefs.buffer.size(), Status::kInternal,
          "lora: coefficients [{}, {}) of a buffer of {} bytes", coefs.first, coefs.first + T,
          coefs.buffer.size());
}

}  // namespace

uint64_t LoraBytes(std::span<const LoraValues> layers) {
  const Sizes sizes = SizesOf(layers);
  return FloatBytes(sizes.A + sizes.B);
}

LoraGroup UploadLora(Device& device, std::span<const LoraValues> layers, int64_t stride) {
  CheckValues(layers);
  const Sizes sizes = SizesOf(layers);
  LoraGroup out{.in = layers[0].in, .stride = stride};
  std::vector<float> A(static_cast<size_t>(sizes.A)), B(static_cast<size_t>(sizes.B));
  auto a = A.begin();
  auto b = B.begin();
  for (const LoraValues& layer : layers) {
    for (int64_t r = 0; r < layer.rank; ++r, a += Padded(layer.in)) {
      std::copy_n(layer.A.begin() + r * layer.in, layer.in, a);
    }
    for (int64_t o = 0; o < layer.out; ++o) {
      for (int64_t r = 0; r < layer.rank; ++r) {
        const float value = layer.scale * layer.B[static_cast<size_t>(o * layer.rank + r)];
        Require(std::isfinite(value), Status::kNumeric,
                "lora: B[{}, {}] times the scale {} is {}, expected a finite number", o, r,
                layer.scale, value);
        b[(o / kLanes * layer.rank + r) * kLanes + o % kLanes] = value;
      }
    }
    b += layer.rank * Padded(layer.out);
    out.ranks += layer.rank;
    out.parts.push_back({layer.rank, layer.out, layer.column});
  }
  out.A = Write(device, A);
  out.B = Write(device, B);
  return out;
}

Tensor LoraDown(Recording& recording, const PreparedInput& a, const LoraGroup& group,
                const LoraCoefs& coefs) {
  Require(a.D == group.in && a.input.first_row == 0, Status::kInternal,
          "lora: input has {} columns from row {} on, want {} from 0 on", a.D, a.input.first_row,
          group.in);
  CheckCoefs(coefs, a.T);
  Tensor h = recording.Temp({a.T, group.ranks});
  if (recording.family() == KernelFamily::kGpu) {
    DownOnGpu(recording, a, group, coefs, h);
    return h;
  }
  const int64_t units = Ceil(a.T, kTokens) * Ceil(group.ranks, kRows);
  const MatmulInput& in = a.input;
  const Tensor scratch = recording.Temp({recording.PartsFor(units), kTokens, Padded(a.D)});
  recording.Launch("lora_down", {"matmul_common", "lora"}, "", units, DownWork(group, a.T),
                   h.buffer, scratch.buffer, group.A, in.x.buffer, in.norm_weight.buffer,
                   in.delta.buffer, in.delta_norm_weight.buffer, coefs.buffer,
                   static_cast<int32_t>(a.T), static_cast<int32_t>(a.D),
                   static_cast<int32_t>(group.ranks), static_cast<int32_t>(coefs.first), in.eps,
                   InputMode(in));
  return h;
}

void LoraUp(Recording& recording, const Tensor& h, const LoraGroup& group, const Tensor& y,
            const LoraCoefs& coefs) {
  const int64_t T = h.dim(0);
  Require(h.dim(1) == group.ranks && y.shape.size() == 2 && y.dim(0) == T, Status::kInternal,
          "lora: h is [{}], y [{}], want [T, {}] and [T, ...]", fmt::join(h.shape, ", "),
          fmt::join(y.shape, ", "), group.ranks);
  CheckCoefs(coefs, T);
  std::array<LoraGroup::Part, kMaxLoraParts> parts;
  std::ranges::copy(group.parts, parts.begin());
  for (const LoraGroup::Part& part : group.parts) {
    const int64_t end =
        part.column + (part.out - 1) / kLanes * group.stride + (part.out - 1) % kLanes + 1;
    Require(part.column >= 0 && end <= y.dim(1), Status::kInternal,
            "lora: columns [{}, {}) of a y of {}", part.column, end, y.dim(1));
  }
  const int64_t blocks = BlocksOf(group);
  const auto launch = [&](const auto& with) {
    with(UpWork(group, T), y.buffer, group.B, h.buffer, coefs.buffer, static_cast<int32_t>(T),
         static_cast<int32_t>(group.ranks), static_cast<int32_t>(y.dim(1)),
         static_cast<int32_t>(coefs.first), static_cast<int32_t>(parts[0].rank),
         static_cast<int32_t>(parts[0].out), static_cast<int32_t>(parts[0].column),
         static_cast<int32_t>(parts[1].rank), static_cast<int32_t>(parts[1].out),
         static_cast<int32_t>(parts[1].column), static_cast<int32_t>(parts[2].rank),
         static_cast<int32_t>(parts[2].out), static_cast<int32_t>(parts[2].column),
         static_cast<int32_t>(group.stride));
  };
  if (recording.family() == KernelFamily::kGpu) {
    launch([&](const auto&... args) {
      recording.LaunchGroups("lora_up_group", {"matmul_common", "lora", "lora_group"}, "",
                             Ceil(T * blocks * kLanes, kGroup), kGroup, args...);
    });
  } else {
    launch([&](const auto&... args) {
      recording.Launch("lora_up", {"matmul_common", "lora"}, "", Ceil(T, kTokens) * blocks,
                       args...);
    });
  }
}

}  // namespace inference
