#include "formats/json.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include "support/expect_error.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

void ExpectBadJson(std::string_view text, std::initializer_list<std::string_view> parts,
                   Status status = Status::kFormat) {
  ExpectError(status, {"config.json: line "}, [&] { ParseJson(text, "config.json"); });
  ExpectError(status, parts, [&] { ParseJson(text, "config.json"); });
  ExpectError(status, parts, [&] { ParseOrderedJson(text, "config.json"); });
}

TEST(ParseJson, Values) {
  const Json json = ParseJson(
      R"( {"a": [1, -2, 3.5, true, false, null, "\u00e9\ud83d\ude00"], "b": {"c": {}}, "": []} )",
      "t");
  EXPECT_EQ(json["a"].dump(), "[1,-2,3.5,true,false,null,\"\xC3\xA9\xF0\x9F\x98\x80\"]");
  EXPECT_EQ(json["b"].dump(), R"({"c":{}})");
  EXPECT_TRUE(json[""].is_array());
  EXPECT_EQ(ParseJson("5", "t"), 5);
  EXPECT_EQ(ParseJson("18446744073709551615", "t").get<uint64_t>(), UINT64_MAX);
  EXPECT_EQ(ParseJson("\"x\"", "t"), "x");
}

TEST(ParseJson, OrderedKeepsKeyOrder) {
  const std::string text = R"({"z":1,"a":[{"y":2,"b":3}],"m":{"k":null,"c":0}})";
  EXPECT_EQ(ParseOrderedJson(text, "t").dump(), text);
  EXPECT_EQ(ParseJson(text, "t").dump(), R"({"a":[{"b":3,"y":2}],"m":{"c":0,"k":null},"z":1})");
}

TEST(ParseJson, SyntaxErrorsSayWhere) {
  ExpectBadJson("", {"line 1, column 1", "unexpected end of input"});
  ExpectBadJson("{\"a\":", {"line 1, column 6", "unexpected end of input", "the end"});
  ExpectBadJson("{\n  \"a\": 1,\n  \"b\" 2\n}", {"line 3, column 7", "expected ':'"});
  ExpectBadJson("[1,]", {"line 1, column 4"});
  ExpectBadJson("{} x", {"line 1, column 4"});
  ExpectBadJson("{}{}", {"line 1, column 3"});
  ExpectBadJson("[tru]", {"invalid literal"});
  ExpectBadJson("[01]", {"line 1, column 3"});
  ExpectBadJson("[0x10]", {"line 1, column 3"});
  ExpectBadJson("[NaN]", {"invalid literal"});
  ExpectBadJson("// c\n{}", {"line 1, column 1"});
}

TEST(ParseJson, NumbersOutOfRange) {
  ExpectBadJson("{\"a\": 1e999}", {"number out of range at '1e999'", "line 1, column 11"});
  EXPECT_TRUE(ParseJson("18446744073709551616", "t").is_number_float());
  EXPECT_TRUE(ParseJson("-0", "t").is_number_integer());
}

TEST(ParseJson, DuplicateKeys) {
  ExpectBadJson(R"({"a":1,"a":2})", {"line 1, column 10: duplicate key 'a'"});
  ExpectBadJson("{\"x\":{\n\"a\":1,\"b\":2,\"a\":3}}", {"line 2, column 15: duplicate key 'a'"});
  ExpectBadJson(R"({"a":1,"\u0061":2})", {"duplicate key 'a'"});
  EXPECT_NO_THROW(ParseJson(R"([{"a":1},{"a":2,"b":{"a":3}}])", "t"));
}

TEST(ParseJson, ManyKeysStayFast) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += fmt::format("\"{}\":0,", i);
  EXPECT_EQ(ParseOrderedJson(text + "\"x\":1}", "t").size(), 200'001u);
  ExpectBadJson(text + "\"7\":1}", {"duplicate key '7'"});
}

TEST(ParseJson, BadTextEncoding) {
  ExpectBadJson("[\"\xFF\"]", {"invalid string: ill-formed UTF-8 byte", "\\xff"});
  ExpectBadJson("[\"\xC0\x80\"]", {"ill-formed UTF-8"});
  ExpectBadJson("[\"\xED\xA0\x80\"]", {"ill-formed UTF-8"});
  ExpectBadJson(R"(["\ud800"])", {"surrogate U+D800"});
  ExpectBadJson(R"(["\udc00"])", {"surrogate U+DC00"});
  ExpectBadJson("[\"a\nb\"]", {"control character U+000A"});
  ExpectBadJson("\xEF\xBB\xBF{}", {"line 1, column 1: byte order mark"});
  ExpectBadJson(std::string_view("{}\0", 3), {"line 1, column 3: NUL byte"});
  ExpectBadJson(std::string_view("{\0\"\0}\0", 6), {"NUL byte"});
  ExpectBadJson("\xFF\xFE{}", {"line 1, column 1"});
}

TEST(ParseJson, DepthLimit) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_NO_THROW(ParseJson(nested(64), "t"));
  ExpectBadJson(nested(65), {"line 1, column 65: nested deeper than 64 levels"}, Status::kLimit);
  std::string objects = "1";
  for (int i = 0; i < 65; ++i) objects = fmt::format("{{\"a\":{}}}", objects);
  ExpectBadJson(objects, {"nested deeper than 64 levels"}, Status::kLimit);
}

TEST(ParseJson, DeepInputFitsASmallThreadStack) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 256 << 10), 0);
  const auto body = [](void*) -> void* {
    ExpectError(Status::kLimit, {"nested deeper"},
                [] { ParseJson(std::string(100'000, '['), "t"); });
    std::string objects;
    for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
    ExpectError(Status::kLimit, {"nested deeper"}, [&] { ParseJson(objects, "t"); });
    return nullptr;
  };
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, body, nullptr), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(ParseJson, LongTokensAreClippedInMessages) {
  try {
    ParseJson("[" + std::string(1 << 20, 'x') + "]", "t");
    FAIL();
  } catch (const Error& error) {
    EXPECT_LT(std::string_view(error.what()).size(), 400u);
  }
}

TEST(ReadJsonFile, NamesPathAndLimit) {
  const TempDir dir;
  EXPECT_EQ(ReadJsonFile(dir.Write("a.json", "{\"a\":1}"), 100)["a"], 1);
  const std::string bad = dir.Write("b.json", "{\n]");
  ExpectError(Status::kFormat, {bad + ": line 2, column 1"}, [&] { ReadJsonFile(bad, 100); });
  ExpectError(Status::kLimit, {bad, "has 3 bytes, at most 2"}, [&] { ReadJsonFile(bad, 2); });
  ExpectError(Status::kNotFound, {dir.Path("c.json")},
              [&] { ReadJsonFile(dir.Path("c.json"), 100); });
  ExpectError(Status::kPath, {"is a directory"}, [&] { ReadJsonFile(dir.path(), 100); });
}

}  // namespace
}  // namespace inference
