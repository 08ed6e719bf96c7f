#include "models/weight_loader.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kGateBlock = 16;  // rows; as ops/matmul.h's gated epilogues want them

float HalfToFloat(uint16_t bits) {
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  float value;
  if (exponent == 31) {
    value = mantissa == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(mantissa), -24);
  } else {
    value = std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  }
  return bits & 0x8000 ? -value : value;
}

float BFloatToFloat(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

// Where a row of the half form (i and i + E/2 turn together) is in the interleaved form.
int64_t InterleavedRow(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim, i = row % head_dim, half = head_dim / 2;
  return head * head_dim + (i < half ? 2 * i : 2 * (i - half) + 1);
}

}  // namespace

WeightLoader::WeightLoader(const Checkpoint& checkpoint, std::shared_ptr<Device> device,
                           const ModelLoadHooks& hooks)
    : checkpoint_(&checkpoint),
      device_(std::move(device)),
      hooks_(hooks),
      total_bytes_(checkpoint.tensors.total_bytes()) {}

const TensorEntry& WeightLoader::Get(const std::string& name, const std::vector<int64_t>& shape) {
  ThrowIfCancelled(hooks_.cancel, "model load");
  const TensorEntry* entry = checkpoint_->tensors.Find(name);
  Require(entry != nullptr, Status::kFormat, "{}: tensor {}: is missing, expected shape [{}]",
          checkpoint_->path, name, fmt::join(shape, ", "));
  const std::string& path = checkpoint_->tensors.file(entry->file).path();
  Require(std::ranges::equal(entry->shape, shape,
                             [](uint64_t is, int64_t want) { return std::cmp_equal(is, want); }),
          Status::kFormat, "{}: tensor {}: shape is [{}], expected [{}]", path, name,
          fmt::join(entry->shape, ", "), fmt::join(shape, ", "));
  used_.insert(name);
  return *entry;
}

const TensorEntry& WeightLoader::GetMatrix(const std::string& name, int64_t rows, int64_t columns) {
  const TensorEntry& entry = Get(name, {rows, columns});
  Require(IsPackable(entry.dtype), Status::kUnsupported,
          "{}: tensor {}: type is {}, expected F32, F16, BF16 or a block type",
          checkpoint_->tensors.file(entry.file).path(), name, InfoOf(entry.dtype).name);
  return entry;
}

std::vector<float> WeightLoader::HostVector(const std::string& name, int64_t size) {
  const TensorEntry& entry = Get(name, {size});
  std::vector<std::byte> bytes(entry.bytes);
  checkpoint_->tensors.Read(entry, 0, bytes);
  std::vector<float> values(static_cast<size_t>(size));
  if (entry.dtype == DType::kF32) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
  } else {
    Require(entry.dtype == DType::kF16 || entry.dtype == DType::kBF16, Status::kUnsupported,
            "{}: tensor {}: type is {}, expected F32, F16 or BF16",
            checkpoint_->tensors.file(entry.file).path(), name, InfoOf(entry.dtype).name);
    for (size_t i = 0; i < values.size(); ++i) {
      uint16_t bits;
      std::memcpy(&bits, &bytes[2 * i], sizeof(bits));
      values[i] = entry.dtype == DType::kF16 ? HalfToFloat(bits) : BFloatToFloat(bits);
    }
  }
  Done(entry);
  return values;
}

Tensor WeightLoader::Vector(const std::string& name, int64_t size, float offset) {
  std::vector<float> values = HostVector(name, size);
  for (float& value : values) value += offset;
  stats_.parameters += values.size();
  return Upload(values);
}

Tensor WeightLoader::Upload(const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  Tensor out{device_->Allocate(bytes.size()), {static_cast<int64_t>(values.size())}, nullptr};
  device_->Run([&] { device_->Write(out.buffer, 0, bytes); });
  stats_.bytes += bytes.size();
  stats_.decode_bytes_per_token += bytes.size();
  return out;
}

PackedMatrix WeightLoader::Pack(const Entries& entries, int64_t rows, int64_t columns,
                                std::function<StoredRow(int64_t)> row_of) {
  PackedMatrix packed = PackMatrix(*device_, entries[0]->dtype, rows, columns,
                                   GatherRows(checkpoint_->tensors, entries, std::move(row_of)));
  stats_.parameters += static_cast<uint64_t>(rows) * static_cast<uint64_t>(columns);
  stats_.bytes += packed.bytes();
  for (const TensorEntry* entry : entries) Done(*entry);
  return packed;
}

PackedMatrix WeightLoader::PackStack(const std::vector<StoredMatrix>& matrices,
                                     const Entries& entries, int64_t columns) {
  int64_t rows = 0;
  for (const StoredMatrix& matrix : matrices) rows += matrix.rows;
  PackedMatrix packed = Pack(entries, rows, columns, [&](int64_t row) {
    size_t i = 0;
    for (; row >= matrices[i].rows; ++i) row -= matrices[i].rows;
    const int64_t head_dim = matrices[i].interleaved_head_dim;
    return StoredRow{i, head_dim == 0 ? row : InterleavedRow(row, head_dim)};
  });
  CountBlock(packed);
  return packed;
}

PackedMatrix WeightLoader::Matrix(const StoredMatrix& matrix, int64_t columns) {
  return PackStack({matrix}, {&GetMatrix(matrix.name, matrix.rows, columns)}, columns);
}

std::vector<PackedMatrix> WeightLoader::Stack(const std::vector<StoredMatrix>& matrices,
                                              int64_t columns) {
  std::vector<PackedMatrix> out;
  std::vector<StoredMatrix> run;
  Entries entries;
  for (const StoredMatrix& matrix : matrices) {
    const TensorEntry& entry = GetMatrix(matrix.name, matrix.rows, columns);
    if (!entries.empty() && entries[0]->dtype != entry.dtype) {
      out.push_back(PackStack(run, entries, columns));
      run.clear();
      entries.clear();
    }
    run.push_back(matrix);
    entries.push_back(&entry);
  }
  out.push_back(PackStack(run, entries, columns));
  return out;
}

PackedMatrix WeightLoader::GateUp(const std::string& gate, const std::string& up, int64_t rows,
                                  int64_t columns) {
  const Entries entries = {&GetMatrix(gate, rows, columns), &GetMatrix(up, rows, columns)};
  const std::string& path = checkpoint_->tensors.file(entries[1]->file).path();
  Require(entries[0]->dtype == entries[1]->dtype, Status::kUnsupported,
          "{}: tensor {}: type is {}, expected {} as {} has", path, up,
          InfoOf(entries[1]->dtype).name, InfoOf(entries[0]->dtype).name, gate);
  Require(rows % kGateBlock == 0, Status::kUnsupported,
          "{}: tensor {}: has {} rows, expected a multiple of {}", path, up, rows, kGateBlock);
  PackedMatrix packed = Pack(entries, 2 * rows, columns, [](int64_t row) {
    const int64_t block = row / kGateBlock;
    return StoredRow{static_cast<size_t>(block % 2), block / 2 * kGateBlock + row % kGateBlock};
  });
  CountBlock(packed);
  return packed;
}

PackedMatrix WeightLoader::Embedding(const std::string& name, int64_t rows, int64_t columns) {
  PackedMatrix packed = Pack({&GetMatrix(name, rows, columns)}, rows, columns, [](int64_t row) {
    return StoredRow{0, row};
  });
  stats_.decode_bytes_per_token += *BytesOf(packed.dtype, static_cast<uint64_t>(columns));
  return packed;
}

PackedMatrix WeightLoader::Head(const std::string& name, const PackedMatrix& embedding,
                                std::optional<bool> tied) {
  Require(Has(name) || tied.value_or(true), Status::kFormat,
          "{}: tensor {}: is missing, expected shape [{}, {}] as tie_word_embeddings is false",
          checkpoint_->path, name, embedding.rows, embedding.cols);
  PackedMatrix head = embedding;
  if (tied.value_or(!Has(name))) {
    used_.insert(name);
  } else {
    head = Pack({&GetMatrix(name, embedding.rows, embedding.cols)}, embedding.rows, embedding.cols,
                [](int64_t row) {
                  return StoredRow{0, row};
                });
  }
  stats_.decode_bytes_per_token += head.bytes();
  return head;
}

void WeightLoader::CountBlock(const PackedMatrix& matrix) {
  stats_.decode_bytes_per_token += matrix.bytes();
  values_of_type_[static_cast<size_t>(matrix.dtype)] +=
      static_cast<uint64_t>(matrix.rows) * static_cast<uint64_t>(matrix.cols);
}

void WeightLoader::Done(const TensorEntry& entry) {
  done_bytes_ += entry.bytes;
  if (hooks_.progress) hooks_.progress(done_bytes_, total_bytes_);
}

WeightStats WeightLoader::Finish(const std::string& prefix) {
  for (const TensorEntry& entry : checkpoint_->tensors.entries()) {
    Require(!entry.name.starts_with(prefix) || !entry.name.ends_with(".bias") ||
                used_.contains(entry.name),
            Status::kUnsupported, "{}: tensor {}: this architecture has no such bias",
            checkpoint_->tensors.file(entry.file).path(), Quote(entry.name));
  }
  if (hooks_.progress && done_bytes_ < total_bytes_) hooks_.progress(total_bytes_, total_bytes_);
  const auto most = std::ranges::max_element(values_of_type_);
  stats_.main_dtype = static_cast<DType>(most - values_of_type_.begin());
  return stats_;
}

}  // namespace inference
