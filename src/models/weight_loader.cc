#include "models/weight_loader.h"

#include <algorithm>

#include "util/error.h"
#include "util/float16.h"

namespace inference {

namespace {

constexpr int64_t kRowBlock = 16;  // of packed matrices, and of gate and up in turn

// Where a row of the half form (i and i + E/2 turn together) is in the interleaved form.
int64_t InterleavedRow(int64_t row, int64_t head_dim) {
  const int64_t head = row / head_dim, i = row % head_dim, half = head_dim / 2;
  return head * head_dim + (i < half ? 2 * i : 2 * (i - half) + 1);
}

// Row `row` of a matrix, in the tensor that holds it.
int64_t StoredRowOf(const StoredMatrix& matrix, int64_t row) {
  const int64_t head_dim = matrix.interleaved_head_dim;
  return matrix.first_row + (head_dim == 0 ? row : InterleavedRow(row, head_dim));
}

int64_t StoredRows(const StoredMatrix& matrix) {
  return matrix.stored_rows == 0 ? matrix.rows : matrix.stored_rows;
}

std::string BiasName(const StoredMatrix& matrix) {
  return matrix.name.substr(0, matrix.name.rfind('.')) + ".bias";
}

}  // namespace

WeightLoader::WeightLoader(const Checkpoint& checkpoint, std::shared_ptr<Device> device,
                           const ModelLoadHooks& hooks)
    : checkpoint_(&checkpoint),
      device_(std::move(device)),
      hooks_(hooks),
      finder_(checkpoint),
      total_bytes_(checkpoint.tensors.total_bytes()) {}

std::vector<float> WeightLoader::HostVector(const std::string& name, int64_t size) {
  ThrowIfCancelled(hooks_.cancel, "model load");
  const TensorEntry& entry = finder_.Get(name, {size});
  Require(IsHalfOrFloat(entry.dtype), Status::kUnsupported,
          "{}: type is {}, expected F32, F16 or BF16", finder_.Where(entry),
          InfoOf(entry.dtype).name);
  std::vector<std::byte> bytes(entry.bytes);
  checkpoint_->tensors.Read(entry, 0, bytes);
  std::vector<float> values(static_cast<size_t>(size));
  ToFloats(entry.dtype, bytes, values);
  Done(entry);
  return values;
}

Tensor WeightLoader::Vector(const std::string& name, int64_t size, float offset) {
  std::vector<float> values = HostVector(name, size);
  for (float& value : values) value += offset;
  stats_.parameters += values.size();
  return Upload(values);
}

Buffer WeightLoader::Write(const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  stats_.bytes += bytes.size();
  stats_.decode_bytes_per_token += bytes.size();
  if (!device_) return {};
  Buffer out = device_->Allocate(bytes.size());
  device_->Run([&] { device_->Write(out, 0, bytes); });
  weights_.push_back({out, bytes.size()});
  return out;
}

Tensor WeightLoader::Upload(const std::vector<float>& values) {
  return {Write(values), {static_cast<int64_t>(values.size())}, nullptr};
}

StoredTensor WeightLoader::GetMatrix(const StoredMatrix& matrix, int64_t columns) {
  ThrowIfCancelled(hooks_.cancel, "model load");
  return finder_.GetMatrix(matrix.name, StoredRows(matrix), columns);
}

PackedMatrix WeightLoader::Pack(const std::vector<StoredMatrix>& matrices, int64_t rows,
                                int64_t columns, const RowMap& row_of) {
  std::vector<StoredTensor> tensors;
  for (const StoredMatrix& matrix : matrices) tensors.push_back(GetMatrix(matrix, columns));
  PackedMatrix packed{.format = tensors[0].format, .rows = rows, .cols = columns};
  if (device_) {
    packed = PackMatrix(*device_, tensors[0].format, rows, columns,
                        GatherRows(checkpoint_->tensors, tensors, row_of));
    weights_.push_back({packed.data, PackedBlockBytes(packed.format, rows, columns)});
  }
  stats_.parameters += static_cast<uint64_t>(rows) * static_cast<uint64_t>(columns);
  stats_.bytes += PackedBytes(packed.format, rows, columns);
  for (const StoredTensor& tensor : tensors) {
    for (const TensorEntry* entry : {tensor.values, tensor.scales, tensor.biases}) {
      if (entry != nullptr) Done(*entry);
    }
  }
  packed.bias = PackBias(matrices, rows, row_of);
  return packed;
}

Buffer WeightLoader::PackBias(const std::vector<StoredMatrix>& matrices, int64_t rows,
                              const RowMap& row_of) {
  const auto has_bias = [](const StoredMatrix& matrix) { return matrix.has_bias; };
  if (std::ranges::none_of(matrices, has_bias)) return {};
  std::vector<std::vector<float>> stored;
  for (const StoredMatrix& matrix : matrices) {
    const int64_t size = StoredRows(matrix);
    stored.push_back(matrix.has_bias ? HostVector(BiasName(matrix), size)
                                     : std::vector<float>(static_cast<size_t>(size)));
  }
  const int64_t padded = (rows + kRowBlock - 1) / kRowBlock * kRowBlock;
  std::vector<float> values(static_cast<size_t>(padded));
  for (int64_t row = 0; row < rows; ++row) {
    const StoredRow from = row_of(row);
    values[static_cast<size_t>(row)] = stored[from.tensor][static_cast<size_t>(from.row)];
  }
  stats_.parameters += static_cast<uint64_t>(rows);
  return Write(values);
}

PackedMatrix WeightLoader::PackStack(const std::vector<StoredMatrix>& matrices, int64_t columns) {
  int64_t rows = 0;
  for (const StoredMatrix& matrix : matrices) rows += matrix.rows;
  PackedMatrix packed = Pack(matrices, rows, columns, [&](int64_t row) {
    size_t i = 0;
    for (; row >= matrices[i].rows; ++i) row -= matrices[i].rows;
    return StoredRow{i, StoredRowOf(matrices[i], row)};
  });
  CountBlock(packed);
  return packed;
}

PackedMatrix WeightLoader::Matrix(const StoredMatrix& matrix, int64_t columns) {
  return PackStack({matrix}, columns);
}

std::vector<PackedMatrix> WeightLoader::Stack(const std::vector<StoredMatrix>& matrices,
                                              int64_t columns) {
  std::vector<PackedMatrix> out;
  std::vector<StoredMatrix> run;
  WeightFormat format;
  for (const StoredMatrix& matrix : matrices) {
    const WeightFormat next = GetMatrix(matrix, columns).format;
    if (!run.empty() && format != next) {
      out.push_back(PackStack(run, columns));
      run.clear();
    }
    format = next;
    run.push_back(matrix);
  }
  out.push_back(PackStack(run, columns));
  return out;
}

bool WeightLoader::CanInterleave(const StoredMatrix& gate, const StoredMatrix& up,
                                 int64_t columns) {
  return gate.rows % kRowBlock == 0 &&
         GetMatrix(gate, columns).format == GetMatrix(up, columns).format;
}

PackedMatrix WeightLoader::GateUp(const StoredMatrix& gate, const StoredMatrix& up,
                                  int64_t columns) {
  const std::vector<StoredMatrix> matrices = {gate, up};
  PackedMatrix packed = Pack(matrices, 2 * gate.rows, columns, [&](int64_t row) {
    const int64_t block = row / kRowBlock;
    const auto i = static_cast<size_t>(block % 2);
    return StoredRow{i, StoredRowOf(matrices[i], block / 2 * kRowBlock + row % kRowBlock)};
  });
  CountBlock(packed);
  return packed;
}

PackedMatrix WeightLoader::Embedding(const std::string& name, int64_t rows, int64_t columns) {
  PackedMatrix packed = Pack({{.name = name, .rows = rows}}, rows, columns, [](int64_t row) {
    return StoredRow{0, row};
  });
  stats_.decode_bytes_per_token += StoredRowBytes(packed.format, columns);
  return packed;
}

PackedMatrix WeightLoader::Head(const std::string& name, const PackedMatrix& embedding,
                                std::optional<bool> tied) {
  const int64_t rows = embedding.rows, columns = embedding.cols;
  Require(Has(name) || tied.value_or(true), Status::kFormat,
          "{}: tensor {}: is missing, expected shape [{}, {}] as tie_word_embeddings is false",
          path(), name, rows, columns);
  PackedMatrix head = embedding;
  if (!tied.value_or(!Has(name))) {
    head = Pack({{.name = name, .rows = rows}}, rows, columns, [](int64_t row) {
      return StoredRow{0, row};
    });
  }
  stats_.decode_bytes_per_token += PackedBytes(head.format, rows, columns);
  return head;
}

void WeightLoader::CountBlock(const PackedMatrix& matrix) {
  stats_.decode_bytes_per_token += PackedBytes(matrix.format, matrix.rows, matrix.cols);
  const auto values = static_cast<uint64_t>(matrix.rows) * static_cast<uint64_t>(matrix.cols);
  for (auto& [format, sum] : values_of_format_) {
    if (format != matrix.format) continue;
    sum += values;
    return;
  }
  values_of_format_.emplace_back(matrix.format, values);
}

void WeightLoader::Done(const TensorEntry& entry) {
  if (!done_.insert(&entry).second) return;
  done_bytes_ += entry.bytes;
  if (hooks_.progress) hooks_.progress(done_bytes_, total_bytes_);
}

WeightStats WeightLoader::Finish(const std::string& prefix) {
  finder_.RefuseUnusedBiases(prefix);
  if (hooks_.progress && done_bytes_ < total_bytes_) {
    hooks_.progress(total_bytes_, total_bytes_);
  }
  const auto most =
      std::ranges::max_element(values_of_format_, {}, [](const auto& v) { return v.second; });
  stats_.main_format = most->first;
  return stats_;
}

}  // namespace inference
