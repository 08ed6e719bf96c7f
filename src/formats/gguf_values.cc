#include "formats/gguf_values.h"

#include <utility>
#include <vector>

#include "util/error.h"

namespace inference {

namespace {

constexpr uint32_t kTypeCount = 13;

// Fewest bytes a value of `type` can have.
uint64_t MinBytes(GgufType type) {
  constexpr uint8_t kBytes[kTypeCount] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
  return kBytes[static_cast<uint32_t>(type)];
}

void CheckType(const FileReader& in, GgufType type, std::string_view what) {
  Require(static_cast<uint32_t>(type) < kTypeCount, Status::kFormat,
          "{}: {}: value type {} is unknown, expected 0..{}", in.path(), what,
          static_cast<uint32_t>(type), kTypeCount - 1);
}

int64_t ReadInt(FileReader& in, GgufType type, std::string_view what) {
  switch (type) {
    case GgufType::kU8:
      return in.Read<uint8_t>(what);
    case GgufType::kI8:
      return in.Read<int8_t>(what);
    case GgufType::kU16:
      return in.Read<uint16_t>(what);
    case GgufType::kI16:
      return in.Read<int16_t>(what);
    case GgufType::kU32:
      return in.Read<uint32_t>(what);
    case GgufType::kI32:
      return in.Read<int32_t>(what);
    case GgufType::kI64:
      return in.Read<int64_t>(what);
    default:
      break;
  }
  const auto value = in.Read<uint64_t>(what);
  Require(value <= static_cast<uint64_t>(INT64_MAX), Status::kFormat,
          "{}: {}: is {}, expected at most {}", in.path(), what, value, INT64_MAX);
  return static_cast<int64_t>(value);
}

double ReadFloat(FileReader& in, GgufType type, std::string_view what) {
  return type == GgufType::kF32 ? static_cast<double>(in.Read<float>(what)) : in.Read<double>(what);
}

bool ReadBool(FileReader& in, std::string_view what) {
  const auto value = in.Read<uint8_t>(what);
  Require(value <= 1, Status::kFormat, "{}: {}: bool is {}, expected 0 or 1", in.path(), what,
          value);
  return value == 1;
}

template <typename T, typename ReadOne>
std::vector<T> ReadMany(uint64_t count, ReadOne&& read_one) {
  std::vector<T> out;
  out.reserve(count);
  for (uint64_t i = 0; i < count; ++i) out.push_back(read_one());
  return out;
}

GgufMetadata::Value ReadArray(FileReader& in, std::string_view what, uint64_t* elements_left) {
  const auto type = static_cast<GgufType>(in.Read<uint32_t>(what));
  CheckType(in, type, what);
  Require(type != GgufType::kArray, Status::kUnsupported, "{}: {}: nested array is not supported",
          in.path(), what);
  const auto count = in.Read<uint64_t>(what);
  in.Expect(count, MinBytes(type), what);
  Require(count <= *elements_left, Status::kLimit,
          "{}: {}: {} array elements, all arrays together may have {}", in.path(), what, count,
          kMaxGgufArrayElements);
  *elements_left -= count;
  switch (type) {
    case GgufType::kString:
      return ReadMany<std::string>(count, [&] { return in.ReadString(what); });
    case GgufType::kBool:
      return ReadMany<bool>(count, [&] { return ReadBool(in, what); });
    case GgufType::kF32:
    case GgufType::kF64:
      return ReadMany<double>(count, [&] { return ReadFloat(in, type, what); });
    default:
      return ReadMany<int64_t>(count, [&] { return ReadInt(in, type, what); });
  }
}

}  // namespace

GgufMetadata::Value ReadGgufValue(FileReader& in, GgufType type, std::string_view what,
                                  uint64_t* elements_left) {
  CheckType(in, type, what);
  switch (type) {
    case GgufType::kArray:
      return ReadArray(in, what, elements_left);
    case GgufType::kString:
      return in.ReadString(what);
    case GgufType::kBool:
      return ReadBool(in, what);
    case GgufType::kF32:
    case GgufType::kF64:
      return ReadFloat(in, type, what);
    default:
      return ReadInt(in, type, what);
  }
}

}  // namespace inference
