// What must be refused, and how: one case a line, with what its message must name.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "formats/safetensors.h"
#include "support/byte_writer.h"
#include "support/expect_error.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

constexpr char kFileName[] = "bad.safetensors";

class SafetensorsMalformed : public testing::Test {
 protected:
  void ExpectBadFile(std::string_view content, std::initializer_list<std::string_view> parts,
                     Status status = Status::kFormat) {
    const std::string path = dir_.Write(kFileName, content);
    ExpectError(status, {path}, [&] { OpenSafetensors(path); });
    ExpectError(status, parts, [&] { OpenSafetensors(path); });
  }
  void ExpectBad(std::string_view header, std::string_view data,
                 std::initializer_list<std::string_view> parts, Status status = Status::kFormat) {
    ExpectBadFile(SafetensorsFile(header, data), parts, status);
  }
  // A header with the one tensor 'w', of four data bytes.
  void ExpectBadInfo(std::string_view info, std::initializer_list<std::string_view> parts,
                     Status status = Status::kFormat) {
    ExpectBad(fmt::format(R"({{"w":{}}})", info), "data", {"tensor 'w'"}, status);
    ExpectBad(fmt::format(R"({{"w":{}}})", info), "data", parts, status);
  }
  void ExpectBadShape(std::string_view shape, std::initializer_list<std::string_view> parts) {
    ExpectBadInfo(fmt::format(R"({{"dtype":"U8","shape":{},"data_offsets":[0,4]}})", shape), parts);
  }
  void ExpectBadOffsets(std::string_view offsets, std::initializer_list<std::string_view> parts) {
    ExpectBadInfo(fmt::format(R"({{"dtype":"U8","shape":[4],"data_offsets":{}}})", offsets), parts);
  }

  TempDir dir_;
};

TEST_F(SafetensorsMalformed, TooShortForItsHeader) {
  for (const size_t bytes : {0, 1, 7}) {
    ExpectBadFile(std::string(bytes, '\0'),
                  {fmt::format("has {} bytes, shorter than the 8-byte header length", bytes)});
  }
  ExpectBadFile(std::string(8, '\0'), {"header begins with '', expected '{'"});
}

TEST_F(SafetensorsMalformed, HeaderLength) {
  for (const uint64_t length : {uint64_t{3}, uint64_t{1} << 31, uint64_t{1} << 63, UINT64_MAX,
                                UINT64_MAX - 7, UINT64_MAX - 8}) {
    ExpectBadFile(
        ByteWriter().Put(length).Raw("{}").bytes(),
        {fmt::format("header length {} runs past the end, the file has 10 bytes", length)});
  }
  const std::string large = dir_.WriteSparse(
      "large.safetensors", ByteWriter().Put<uint64_t>(100'000'001).bytes(), 100'000'100);
  ExpectError(Status::kLimit, {large, "header length 100000001 is over 100000000"},
              [&] { OpenSafetensors(large); });
}

TEST_F(SafetensorsMalformed, HeaderText) {
  ExpectBad(" {}", "", {"header begins with ' ', expected '{'"});
  ExpectBad("[]", "", {"header begins with '['"});
  ExpectBad("\xEF\xBB\xBF{}", "", {"header begins with '\\xef'"});
  ExpectBad("{", "", {"header: line 1, column 2", "unexpected end of input"});
  ExpectBad("{}x", "", {"column 3"});
  ExpectBad("{}{}", "", {"column 3"});
  ExpectBad(std::string_view("{}\0", 3), "", {"column 3: NUL byte"});
  ExpectBad("{\"\xFF\":{}}", "", {"ill-formed UTF-8"});
  ExpectBad("{\"\xC0\xAF\":{}}", "", {"ill-formed UTF-8"});
  ExpectBad(R"({"\ud800":{}})", "", {"surrogate"});
  ExpectBad(R"({"a\u0000b":{}})", "", {"tensor 'a\\x00b': name holds a NUL"});
}

TEST_F(SafetensorsMalformed, NestingAndNumbers) {
  const std::string arrays(100'000, '[');
  ExpectBad("{\"w\":" + arrays, "", {"tensor 'w': is an array, expected an object"});
  ExpectBadShape(arrays, {"shape is an array, expected plain integers"});
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"w\":";
  ExpectBad(objects, "", {"unknown field 'w'"});
  std::string fields = R"({"dtype":"U8")";
  for (int i = 0; i < 1'000'000; ++i) fields += fmt::format(",\"{}\":0", i);
  ExpectBadInfo(fields + "}", {"unknown field '0', expected dtype, shape, data_offsets"});
  ExpectBad(R"({"w":{"shape":[1e999]}})", "", {"column 20: number out of range at '1e999'"});
  ExpectBadShape("[-0]", {"shape is 0, expected plain integers"});
  ExpectBadShape("[4.0]", {"shape is '4.0', expected plain integers"});
  ExpectBadShape("[18446744073709551616]", {"shape is '18446744073709551616'"});
}

TEST_F(SafetensorsMalformed, NumbersThatAreNotJson) {
  for (const char* number : {"0x10", "04", "+4", ".4"}) {
    ExpectBad(fmt::format(R"({{"w":{{"shape":[{}]}}}})", number), "", {"syntax error"});
  }
}

TEST_F(SafetensorsMalformed, DuplicateKeys) {
  ExpectBad(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
            R"("w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
            "data", {"duplicate key 'w'"});
  ExpectBad(R"({"w":{"dtype":"U8","dtype":"F32"}})", "", {"duplicate key 'dtype'"});
  ExpectBad(R"({"w":{"shape":[],"shape":[]}})", "", {"duplicate key 'shape'"});
  ExpectBad(R"({"__metadata__":{},"__metadata__":{}})", "", {"duplicate key '__metadata__'"});
  ExpectBad(R"({"__metadata__":{"a":"1","a":"2"}})", "", {"duplicate key 'a'"});
}

TEST_F(SafetensorsMalformed, Metadata) {
  ExpectBad(R"({"__metadata__":5})", "", {"tensor '__metadata__': is 5, expected an object"});
  ExpectBad(R"({"__metadata__":{"k":5}})", "", {"'k' is 5, expected a string"});
  ExpectBad(R"({"__metadata__":{"k":null}})", "", {"'k' is null, expected a string"});
  ExpectBad(R"({"__metadata__":{"k":[]}})", "", {"'k' is an array, expected a string"});
  ExpectBad(R"({"__metadata__":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "data",
            {"'shape' is an array, expected a string"});
  std::string many = R"({"__metadata__":{)";
  for (int i = 0; i < 70'000; ++i) many += fmt::format(R"("{}":"",)", i);
  many.back() = '}';
  ExpectBad(many + "}", "", {"__metadata__ has more than 65536 entries"}, Status::kLimit);
}

TEST_F(SafetensorsMalformed, DTypes) {
  ExpectBadInfo(R"({"shape":[4],"data_offsets":[0,4]})", {"dtype is missing"});
  ExpectBadInfo(R"({"dtype":7,"shape":[4],"data_offsets":[0,4]})",
                {"dtype is 7, expected a string"});
  ExpectBadInfo(R"({"dtype":["U8"],"shape":[4],"data_offsets":[0,4]})",
                {"dtype is an array, expected a string"});
  ExpectBadInfo(R"({"dtype":"F99","shape":[4],"data_offsets":[0,4]})", {"dtype 'F99' is unknown"});
  ExpectBadInfo(R"({"dtype":"f32","shape":[1],"data_offsets":[0,4]})", {"dtype 'f32' is unknown"});
  for (const char* dtype : {"F8_E8M0", "F8_E4M3", "F8_E5M2", "F4", "C64"}) {
    ExpectBadInfo(fmt::format(R"({{"dtype":"{}","shape":[4],"data_offsets":[0,4]}})", dtype),
                  {fmt::format("dtype '{}' is not supported", dtype)}, Status::kUnsupported);
  }
}

TEST_F(SafetensorsMalformed, Shapes) {
  ExpectBadInfo(R"({"dtype":"U8","data_offsets":[0,4]})", {"shape is missing"});
  ExpectBadShape(R"("4")", {"shape is '4', expected an array"});
  ExpectBadShape("4", {"shape is 4, expected an array"});
  ExpectBadShape("{}", {"shape is an object, expected an array"});
  ExpectBadShape("[[4]]", {"shape is an array, expected plain integers"});
  ExpectBadShape("[-4]", {"shape is -4, expected plain integers"});
  ExpectBadShape("[4.5]", {"shape is '4.5'"});
  ExpectBadShape("[true]", {"shape is a boolean"});
  ExpectBadShape("[1,1,1,1,1,1,1,1,4]", {"shape has more than 8 dimensions"});
  std::string huge = "[1";
  for (int i = 0; i < 1'000'000; ++i) huge += ",1";
  ExpectBadShape(huge + "]", {"shape has more than 8 dimensions"});
  ExpectBadShape("[4294967296,4294967296]", {"size of U8 [4294967296, 4294967296] overflows"});
  ExpectBadShape("[9223372036854775808,2,0]", {"[9223372036854775808, 2, 0] overflows"});
}

TEST_F(SafetensorsMalformed, Offsets) {
  ExpectBadInfo(R"({"dtype":"U8","shape":[4]})", {"data_offsets is missing"});
  ExpectBadOffsets("[4,0]", {"data_offsets [4, 0] do not lie in the 4 data bytes"});
  ExpectBadOffsets("[1,5]", {"data_offsets [1, 5] do not lie in the 4 data bytes"});
  ExpectBadOffsets("[18446744073709551615,3]", {"do not lie in the 4 data bytes"});
  ExpectBadOffsets("[0,18446744073709551615]", {"do not lie in the 4 data bytes"});
  ExpectBadOffsets("[0]", {"data_offsets has 1 numbers, expected 2"});
  ExpectBadOffsets("[]", {"data_offsets has 0 numbers, expected 2"});
  ExpectBadOffsets("[0,4,4]", {"data_offsets has more than 2 numbers"});
  ExpectBadOffsets("[-1,3]", {"data_offsets is -1, expected plain integers"});
  ExpectBadOffsets("[0,3]", {"data_offsets [0, 3] hold 3 bytes, U8 [4] needs 4"});
  ExpectBadShape("[3]", {"data_offsets [0, 4] hold 4 bytes, U8 [3] needs 3"});
  ExpectBadShape("[5]", {"hold 4 bytes, U8 [5] needs 5"});
  ExpectBadShape("[0]", {"hold 4 bytes, U8 [0] needs 0"});
}

TEST_F(SafetensorsMalformed, GapsAndOverlaps) {
  const auto two = [](int a, int b, int c, int d) {
    return fmt::format(R"({{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}},)"
                       R"("b":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}}})",
                       b - a, a, b, d - c, c, d);
  };
  ExpectBad(two(0, 3, 2, 4), "data", {"tensor 'b': begins at data byte 2, expected 3: an overlap"});
  ExpectBad(two(0, 4, 0, 4), "data", {"begins at data byte 0, expected 4: an overlap"});
  ExpectBad(two(0, 1, 2, 4), "data", {"tensor 'b': begins at data byte 2, expected 1: a gap"});
  ExpectBad(two(1, 2, 2, 4), "data", {"tensor 'a': begins at data byte 1, expected 0: a gap"});
  ExpectBad(two(0, 2, 2, 4), "data and a zip archive",
            {"tensors end at data byte 4, the file has 22 data bytes"});
  ExpectBad("{}", "data", {"tensors end at data byte 0, the file has 4 data bytes"});
}

TEST_F(SafetensorsMalformed, EveryTruncation) {
  const std::string file = SafetensorsFile(
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]}})",
      "aaaabbb");
  EXPECT_EQ(OpenSafetensors(dir_.Write(kFileName, file)).entries().size(), 2u);
  for (size_t bytes = 0; bytes < file.size(); ++bytes) {
    ExpectBadFile(file.substr(0, bytes), {kFileName});
  }
}

TEST_F(SafetensorsMalformed, ShrinksAfterOpening) {
  const std::string path = dir_.Write(
      kFileName,
      SafetensorsFile(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "data"));
  const TensorSet set = OpenSafetensors(path);
  std::filesystem::resize_file(path, 63);
  char out[4];
  ExpectError(Status::kIo, {path, "ends at byte 63, expected 4 bytes at 61"},
              [&] { set.Read(*set.Find("w"), 0, std::as_writable_bytes(std::span(out))); });
}

// Whatever bytes change, the file opens or is refused: nothing else.
TEST_F(SafetensorsMalformed, RandomBytes) {
  const std::string file =
      SafetensorsFile(R"({"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},)"
                      R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]}})",
                      "aaaabbbb");
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 3'000; ++i) {
    std::string changed = file;
    for (uint32_t n = 1 + random() % 3; n > 0; --n) {
      changed[random() % changed.size()] =
          random() % 2 == 0 ? static_cast<char>(random()) : "0123456789[]{}\",:-"[random() % 18];
    }
    try {
      OpenSafetensors(dir_.Write(kFileName, changed));
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1'000);
}

}  // namespace
}  // namespace inference
