// Catalogue of malformed safetensors: what must be refused, and how. One case a line, with what its
// message must name.
#include <fmt/format.h>

#include <fstream>
#include <functional>

#include "capi/malformed.h"
#include "support/byte_writer.h"
#include "support/safetensors_writer.h"

namespace inference::capi_test {
namespace {

class MalformedSafetensors : public Malformed {
 protected:
  MalformedSafetensors() : model_(FreshModel()) {}
  void ExpectBadFile(std::string_view content, std::initializer_list<std::string_view> parts,
                     inf_status status = INF_E_FORMAT) {
    const std::string path = dir_.Write("model/model.safetensors", content);
    ExpectRefused(model_, status, {path}, nullptr, content.size() >> 20);
    ExpectRefused(model_, status, parts, nullptr, content.size() >> 20);
  }
  void ExpectBad(std::string_view header, std::string_view data,
                 std::initializer_list<std::string_view> parts, inf_status status = INF_E_FORMAT) {
    ExpectBadFile(SafetensorsFile(header, data), parts, status);
  }
  // A header with the one tensor 'w', of four data bytes.
  void ExpectBadInfo(std::string_view info, std::initializer_list<std::string_view> parts,
                     inf_status status = INF_E_FORMAT) {
    ExpectBad(fmt::format(R"({{"w":{}}})", info), "data", {"tensor 'w'"}, status);
    ExpectBad(fmt::format(R"({{"w":{}}})", info), "data", parts, status);
  }
  void ExpectBadShape(std::string_view shape, std::initializer_list<std::string_view> parts) {
    ExpectBadInfo(fmt::format(R"({{"dtype":"U8","shape":{},"data_offsets":[0,4]}})", shape), parts);
  }
  void ExpectBadOffsets(std::string_view offsets, std::initializer_list<std::string_view> parts) {
    ExpectBadInfo(fmt::format(R"({{"dtype":"U8","shape":[4],"data_offsets":{}}})", offsets), parts);
  }

  std::string model_;
};

TEST_F(MalformedSafetensors, ST01_TooShortForItsHeader) {
  for (const size_t bytes : {0, 1, 7}) {
    ExpectBadFile(std::string(bytes, '\0'),
                  {fmt::format("has {} bytes, shorter than the 8-byte header length", bytes)});
  }
  ExpectBadFile(std::string(8, '\0'), {"header begins with '', expected '{'"});
}

TEST_F(MalformedSafetensors, ST02_HeaderLength) {
  for (const uint64_t length : {uint64_t{3}, uint64_t{1} << 31, uint64_t{1} << 63, UINT64_MAX,
                                UINT64_MAX - 7, UINT64_MAX - 8}) {
    ExpectBadFile(
        ByteWriter().Put(length).Raw("{}").bytes(),
        {fmt::format("header length {} runs past the end, the file has 10 bytes", length)});
  }
  const std::string large = dir_.WriteSparse(
      "model/model.safetensors", ByteWriter().Put<uint64_t>(100'000'001).bytes(), 100'000'100);
  ExpectRefused(model_, INF_E_LIMIT, {large, "header length 100000001 is over 100000000"});
}

TEST_F(MalformedSafetensors, ST03_HeaderText) {
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

TEST_F(MalformedSafetensors, ST04_NestingAndNumbers) {
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

TEST_F(MalformedSafetensors, ST04_NumbersThatAreNotJson) {
  for (const char* number : {"0x10", "04", "+4", ".4"}) {
    ExpectBad(fmt::format(R"({{"w":{{"shape":[{}]}}}})", number), "", {"syntax error"});
  }
}

TEST_F(MalformedSafetensors, ST05_DuplicateKeys) {
  ExpectBad(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
            R"("w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
            "data", {"duplicate key 'w'"});
  ExpectBad(R"({"w":{"dtype":"U8","dtype":"F32"}})", "", {"duplicate key 'dtype'"});
  ExpectBad(R"({"w":{"shape":[],"shape":[]}})", "", {"duplicate key 'shape'"});
  ExpectBad(R"({"__metadata__":{},"__metadata__":{}})", "", {"duplicate key '__metadata__'"});
  ExpectBad(R"({"__metadata__":{"a":"1","a":"2"}})", "", {"duplicate key 'a'"});
}

TEST_F(MalformedSafetensors, ST05_Metadata) {
  ExpectBad(R"({"__metadata__":5})", "", {"tensor '__metadata__': is 5, expected an object"});
  ExpectBad(R"({"__metadata__":{"k":5}})", "", {"'k' is 5, expected a string"});
  ExpectBad(R"({"__metadata__":{"k":null}})", "", {"'k' is null, expected a string"});
  ExpectBad(R"({"__metadata__":{"k":[]}})", "", {"'k' is an array, expected a string"});
  ExpectBad(R"({"__metadata__":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "data",
            {"'shape' is an array, expected a string"});
  std::string many = R"({"__metadata__":{)";
  for (int i = 0; i < 70'000; ++i) many += fmt::format(R"("{}":"",)", i);
  many.back() = '}';
  ExpectBad(many + "}", "", {"__metadata__ has more than 65536 entries"}, INF_E_LIMIT);
}

TEST_F(MalformedSafetensors, ST06_DTypes) {
  ExpectBadInfo(R"({"shape":[4],"data_offsets":[0,4]})", {"dtype is missing"});
  ExpectBadInfo(R"({"dtype":7,"shape":[4],"data_offsets":[0,4]})",
                {"dtype is 7, expected a string"});
  ExpectBadInfo(R"({"dtype":["U8"],"shape":[4],"data_offsets":[0,4]})",
                {"dtype is an array, expected a string"});
  ExpectBadInfo(R"({"dtype":"F99","shape":[4],"data_offsets":[0,4]})", {"dtype 'F99' is unknown"});
  ExpectBadInfo(R"({"dtype":"f32","shape":[1],"data_offsets":[0,4]})", {"dtype 'f32' is unknown"});
  for (const char* dtype : {"F8_E8M0", "F8_E4M3", "F8_E5M2", "F4", "C64"}) {
    ExpectBadInfo(fmt::format(R"({{"dtype":"{}","shape":[4],"data_offsets":[0,4]}})", dtype),
                  {fmt::format("dtype '{}' is not supported", dtype)}, INF_E_UNSUPPORTED);
  }
}

TEST_F(MalformedSafetensors, ST07_Shapes) {
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

TEST_F(MalformedSafetensors, ST08_Offsets) {
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

TEST_F(MalformedSafetensors, ST09_GapsAndOverlaps) {
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

// A rewritten file of the good model: `header` made of its JSON, its data.
std::string Rewritten(const std::function<std::string(const nlohmann::ordered_json&)>& header_of,
                      std::string_view more_data = {}) {
  std::ifstream in(kTinyModel + "/model.safetensors", std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  const auto json = nlohmann::ordered_json::parse(file.substr(8, length));
  return SafetensorsFile(header_of(json), file.substr(8 + length) + std::string(more_data));
}

TEST_F(MalformedSafetensors, ST01_NoTensors) {
  dir_.Write("model/model.safetensors", SafetensorsFile("{}"));
  ExpectRefused(model_, INF_E_FORMAT, {model_, "model.embed_tokens.weight: is missing"});
}

TEST_F(MalformedSafetensors, ST10_CutOffAnywhere) {
  const std::string file = Rewritten([](const auto& json) { return json.dump(); });
  uint64_t header = 0;
  std::memcpy(&header, file.data(), sizeof(header));
  const uint64_t data = file.size() - 8 - header;
  for (const uint64_t bytes : {uint64_t{9}, header / 2, header + 7, header + 8,
                               header + 8 + data / 100, header + 8 + data / 2, file.size() - 1}) {
    ExpectBadFile(file.substr(0, bytes), {"model.safetensors: "});
  }
  ExpectBadFile(file + "x", {"tensors end at data byte", ": a gap"});
}

// Cuts the file off once the load reads weights.
struct CutOff {
  std::string path;
  static int32_t OnEvent(void* user, const inf_event*) {
    std::filesystem::resize_file(static_cast<CutOff*>(user)->path, 50'000);
    return 0;
  }
};

TEST_F(MalformedSafetensors, ST10_ShrinksWhileItIsRead) {
  CutOff cut{model_ + "/model.safetensors"};
  const Footprint before = Footprint::Now();
  Model model;
  EXPECT_FAILS(INF_E_IO, "model.safetensors: ends at byte ",
               inf_model_load(SharedRuntime(), model_.data(), model_.size(), nullptr, nullptr,
                              CutOff::OnEvent, &cut, model.out(), &err));
  EXPECT_EQ(model.get(), nullptr);
  before.ExpectAgain();
}

// Longer, and with other bytes at its end, once the load reads weights.
struct Grow {
  std::string path;
  int calls = 0;
  static int32_t OnEvent(void* user, const inf_event*) {
    auto& self = *static_cast<Grow*>(user);
    std::ofstream(self.path, std::ios::binary | std::ios::app) << std::string(100'000, '\xFF');
    ++self.calls;
    return 0;
  }
};

// What comes after the size that was checked is no part of the file.
TEST_F(MalformedSafetensors, ST10_GrowsWhileItIsRead) {
  Grow grow{model_ + "/model.safetensors"};
  const auto bytes = std::filesystem::file_size(grow.path);
  Model model;
  ASSERT_OK(inf_model_load(SharedRuntime(), model_.data(), model_.size(), nullptr, nullptr,
                           Grow::OnEvent, &grow, model.out(), &err));
  EXPECT_GT(grow.calls, 0);
  EXPECT_GT(std::filesystem::file_size(grow.path), bytes);
  ExpectWorks(NewSession(0, model.get()).get());
  ExpectRefused(model_, INF_E_FORMAT, {"tensors end at data byte", ": a gap"});
}

// The good model with the bits of its values `from` to `to` of tensor `name` replaced.
void Overwrite(const std::string& model, const std::string& name, uint64_t index, uint16_t bits) {
  const std::string path = model + "/model.safetensors";
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  uint64_t length = 0;
  file.read(reinterpret_cast<char*>(&length), sizeof(length));
  std::string header(length, '\0');
  file.read(header.data(), static_cast<std::streamsize>(length));
  const uint64_t begin = nlohmann::json::parse(header)[name]["data_offsets"][0].get<uint64_t>();
  file.seekp(static_cast<std::streamoff>(8 + length + begin + 2 * index));
  file.write(reinterpret_cast<const char*>(&bits), sizeof(bits));
  ASSERT_TRUE(file.good());
}

TEST_F(MalformedSafetensors, ST11_ValuesThatAreNotNumbers) {
  Config validate;
  ASSERT_OK(inf_config_new(validate.out(), &err));
  ASSERT_OK(inf_config_set_i64(validate.get(), "validate_weights", 16, 1, &err));
  for (const uint16_t bits : {0x7FC0, 0x7F80, 0xFF80}) {  // BF16: NaN, both infinities
    FreshModel();
    Overwrite(model_, "model.layers.1.mlp.down_proj.weight", 77, bits);
    ExpectRefused(model_, INF_E_NUMERIC,
                  {model_ + "/model.safetensors: tensor 'model.layers.1.mlp.down_proj.weight': "
                            "value 77 of 12288 is not a finite number"},
                  validate.get());
  }
  FreshModel();
  Overwrite(model_, "model.layers.1.mlp.down_proj.weight", 77, 0x8000);  // -0
  Overwrite(model_, "model.layers.1.mlp.down_proj.weight", 78, 1);       // denormal
  LoadModel(model_, validate.get());
}

TEST_F(MalformedSafetensors, ST11_LogitsThatAreNotNumbersGiveNoToken) {
  Overwrite(model_, "model.norm.weight", 5, 0x7FC0);
  const Model model = LoadModel(model_);
  const Session session = NewSession(0, model.get());
  Collector got;
  EXPECT_FAILS(
      INF_E_NUMERIC, "logits",
      inf_generate(session.get(), NewRequest().get(), Collector::OnEvent, &got, nullptr, &err));
  EXPECT_TRUE(got.ids.empty());
}

// What must be accepted: the good model written in other ways gives the same text.
TEST_F(MalformedSafetensors, ST12_AcceptControls) {
  const auto works = [&](const std::string& file) {
    dir_.Write("model/model.safetensors", file);
    ExpectWorks(NewSession(0, LoadModel(model_).get()).get());
  };
  for (const int spaces : {1, 2, 3, 7}) {  // data at odd offsets
    works(Rewritten([&](const auto& json) { return json.dump() + std::string(spaces, ' '); }));
  }
  works(Rewritten([](const auto& json) {  // header order is not data order
    nlohmann::ordered_json reversed;
    for (auto at = json.rbegin(); at != json.rend(); ++at) reversed[at.key()] = at.value();
    return reversed.dump();
  }));
  works(Rewritten(
      [](nlohmann::ordered_json json) {
        uint64_t end = 0;
        for (const auto& [name, tensor] : json.items()) {
          if (name != "__metadata__")
            end = std::max(end, tensor["data_offsets"][1].get<uint64_t>());
        }
        json["a_scalar"] = {
            {"dtype", "F32"}, {"shape", nlohmann::json::array()}, {"data_offsets", {end, end + 4}}};
        json["no_rows"] = {{"dtype", "F32"}, {"shape", {0, 8}}, {"data_offsets", {end, end}}};
        std::string text = json.dump();
        text.pop_back();
        for (int i = 0; i < 100'000; ++i) {
          text += fmt::format(R"(,"t{}":{{"dtype":"U8","shape":[0],"data_offsets":[{},{}]}})", i,
                              end, end);
        }
        return text + "}";
      },
      "\x01\x02\x03\x04"));
}

}  // namespace
}  // namespace inference::capi_test
