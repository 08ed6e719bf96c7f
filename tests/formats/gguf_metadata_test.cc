#include <gtest/gtest.h>

#include <cmath>

#include "formats/gguf.h"
#include "support/expect_error.h"

namespace inference {
namespace {

GgufMetadata Example() {
  GgufMetadata metadata("m.gguf");
  metadata.Set("int", int64_t{7});
  metadata.Set("float", 0.5);
  metadata.Set("nan", std::nan(""));
  metadata.Set("bool", true);
  metadata.Set("string", std::string("s\n"));
  metadata.Set("ints", std::vector<int64_t>{1});
  metadata.Set("floats", std::vector<double>{1});
  metadata.Set("bools", std::vector<bool>{true});
  metadata.Set("strings", std::vector<std::string>{"a"});
  return metadata;
}

void ExpectBad(std::string_view message, const std::function<void(const GgufMetadata&)>& body) {
  ExpectError(Status::kFormat, {"m.gguf: key ", message}, [&] { body(Example()); });
}

TEST(GgufMetadata, FindsWhatIsThere) {
  const GgufMetadata m = Example();
  EXPECT_TRUE(m.Has("int"));
  EXPECT_FALSE(m.Has("nowhere"));
  EXPECT_EQ(m.FindInt("int", 7, 7), 7);
  EXPECT_EQ(m.FindFloat("float"), 0.5);
  EXPECT_EQ(m.FindFloat("int"), 7.0) << "integers are numbers";
  EXPECT_EQ(m.FindBool("bool"), true);
  EXPECT_EQ(*m.FindString("string"), "s\n");
  EXPECT_EQ(m.FindInts("ints")->size(), 1u);
  EXPECT_EQ(m.FindFloats("floats")->size(), 1u);
  EXPECT_EQ(m.FindStrings("strings")->size(), 1u);
}

TEST(GgufMetadata, AbsentKeys) {
  const GgufMetadata m = Example();
  EXPECT_EQ(m.FindInt("x", 0, 1), std::nullopt);
  EXPECT_EQ(m.FindFloat("x"), std::nullopt);
  EXPECT_EQ(m.FindBool("x"), std::nullopt);
  EXPECT_EQ(m.FindString("x"), nullptr);
  EXPECT_EQ(m.FindStrings("x"), nullptr);
  EXPECT_EQ(m.FindInts("x"), nullptr);
  EXPECT_EQ(m.FindFloats("x"), nullptr);
}

TEST(GgufMetadata, MissingKeys) {
  ExpectBad("'x': is missing, expected integer 1..512",
            [](const auto& m) { m.GetInt("x", 1, 512); });
  ExpectBad("'x': is missing, expected a number", [](const auto& m) { m.GetFloat("x"); });
  ExpectBad("'x': is missing, expected a string", [](const auto& m) { m.GetString("x"); });
}

TEST(GgufMetadata, WrongTypesAndRanges) {
  ExpectBad("'int': is 7, expected integer 8..9", [](const auto& m) { m.GetInt("int", 8, 9); });
  ExpectBad("'int': is 7, expected integer 1..6", [](const auto& m) { m.GetInt("int", 1, 6); });
  ExpectBad("'float': is 0.5, expected integer 0..9",
            [](const auto& m) { m.FindInt("float", 0, 9); });
  ExpectBad("'bool': is true, expected integer", [](const auto& m) { m.FindInt("bool", 0, 9); });
  ExpectBad("'nan': is nan, expected a finite number", [](const auto& m) { m.FindFloat("nan"); });
  ExpectBad("'string': is 's\\x0a', expected a finite number",
            [](const auto& m) { m.GetFloat("string"); });
  ExpectBad("'int': is 7, expected a bool", [](const auto& m) { m.FindBool("int"); });
  ExpectBad("'ints': is an array of integers, expected a string",
            [](const auto& m) { m.GetString("ints"); });
  ExpectBad("'floats': is an array of floats, expected an array of strings",
            [](const auto& m) { m.FindStrings("floats"); });
  ExpectBad("'strings': is an array of strings, expected an array of integers",
            [](const auto& m) { m.FindInts("strings"); });
  ExpectBad("'bools': is an array of bools, expected an array of floats",
            [](const auto& m) { m.FindFloats("bools"); });
}

TEST(GgufMetadata, DuplicateKey) {
  GgufMetadata metadata = Example();
  ExpectError(Status::kFormat, {"m.gguf: duplicate key 'int'"},
              [&] { metadata.Set("int", int64_t{1}); });
}

}  // namespace
}  // namespace inference
