#include <gtest/gtest.h>

#include <cmath>

#include "formats/json.h"
#include "support/expect_error.h"

namespace inference {
namespace {

constexpr int64_t kMaxSize = 65536;

TEST(JsonFields, TypedValues) {
  const Json json = ParseJson(
      R"({"n":7,"x":0.5,"b":true,"s":"t","o":{"m":-3},"a":[1,2],"z":null,"big":9223372036854775807})",
      "c");
  const JsonFields fields(json, "c");
  EXPECT_EQ(fields.GetInt("n", 1, kMaxSize), 7);
  EXPECT_EQ(fields.GetInt("big", 0, INT64_MAX), INT64_MAX);
  EXPECT_EQ(fields.GetFloat("x", 0, 1), 0.5);
  EXPECT_EQ(fields.GetFloat("n", 0, 10), 7.0) << "integers are numbers";
  EXPECT_EQ(fields.FindBool("b"), true);
  EXPECT_EQ(fields.GetString("s"), "t");
  EXPECT_EQ(fields.FindObject("o")->GetInt("m", -5, 5), -3);
  EXPECT_EQ(fields.FindArray("a")->size(), 2u);
  EXPECT_TRUE(fields.Has("n"));
  EXPECT_EQ(&fields.json(), &json);
}

TEST(JsonFields, AbsentAndNullAreTheSame) {
  const Json json = ParseJson(R"({"z":null})", "c");
  const JsonFields fields(json, "c");
  for (const char* key : {"z", "nowhere"}) {
    EXPECT_FALSE(fields.Has(key));
    EXPECT_EQ(fields.FindInt(key, 0, 1), std::nullopt);
    EXPECT_EQ(fields.FindFloat(key, 0, 1), std::nullopt);
    EXPECT_EQ(fields.FindBool(key), std::nullopt);
    EXPECT_EQ(fields.FindString(key), std::nullopt);
    EXPECT_FALSE(fields.FindObject(key).has_value());
    EXPECT_EQ(fields.FindArray(key), nullptr);
  }
  ExpectError(Status::kFormat, {"c: z: is missing, expected integer 1..65536"},
              [&] { fields.GetInt("z", 1, kMaxSize); });
  ExpectError(Status::kFormat, {"c: x: is missing, expected number 0..1"},
              [&] { fields.GetFloat("x", 0, 1); });
  ExpectError(Status::kFormat, {"c: s: is missing, expected a string"},
              [&] { fields.GetString("s"); });
}

TEST(JsonFields, IntegersOfTheWrongKindOrRange) {
  for (const char* value : {"0", "-1", "2147483648", "9223372036854775808", "1e308", "4096.5",
                            "4096.0", "true", "18446744073709551616"}) {
    const Json json = ParseJson(std::string("{\"hidden_size\":") + value + "}", "config.json");
    const JsonFields fields(json, "config.json");
    ExpectError(Status::kFormat, {"config.json: hidden_size: is ", "expected integer 1..65536"},
                [&] { fields.FindInt("hidden_size", 1, kMaxSize); });
  }
  const Json json = ParseJson(R"({"s":"4096","a":[],"o":{}})", "c");
  const JsonFields fields(json, "c");
  ExpectError(Status::kFormat, {"c: s: is '4096', expected integer"},
              [&] { fields.FindInt("s", 1, 9); });
  ExpectError(Status::kFormat, {"c: a: is an array, expected integer"},
              [&] { fields.FindInt("a", 1, 9); });
  ExpectError(Status::kFormat, {"c: o: is an object, expected integer"},
              [&] { fields.GetInt("o", 1, 9); });
}

TEST(JsonFields, OtherTypesOfTheWrongKind) {
  const Json json = ParseJson(R"({"n":7,"s":"t","o":{"p":{"q":1}}})", "c");
  const JsonFields fields(json, "c");
  ExpectError(Status::kFormat, {"c: s: is 't', expected number 0..1"},
              [&] { fields.FindFloat("s", 0, 1); });
  ExpectError(Status::kFormat, {"c: n: is 7, expected number 0..1"},
              [&] { fields.GetFloat("n", 0, 1); });
  ExpectError(Status::kFormat, {"c: n: is 7, expected true or false"},
              [&] { fields.FindBool("n"); });
  ExpectError(Status::kFormat, {"c: n: is 7, expected a string"}, [&] { fields.GetString("n"); });
  ExpectError(Status::kFormat, {"c: n: is 7, expected an array"}, [&] { fields.FindArray("n"); });
  ExpectError(Status::kFormat, {"c: n: is 7, expected an object"}, [&] { fields.FindObject("n"); });
  ExpectError(Status::kFormat, {"c: o: p: q: is 1, expected a string"},
              [&] { fields.FindObject("o")->FindObject("p")->GetString("q"); });
}

TEST(JsonFields, RootMustBeAnObject) {
  for (const char* text : {"[]", "5", "\"x\"", "null"}) {
    const Json json = ParseJson(text, "c");
    ExpectError(Status::kFormat, {"c: is ", "expected an object"}, [&] { JsonFields(json, "c"); });
  }
}

TEST(JsonFields, FloatsAreFinite) {
  const Json json = Json{{"inf", HUGE_VAL}, {"nan", std::nan("")}};
  const JsonFields fields(json, "c");
  ExpectError(Status::kFormat, {"c: inf:"}, [&] { fields.FindFloat("inf", -1, HUGE_VAL); });
  ExpectError(Status::kFormat, {"c: nan:"}, [&] { fields.FindFloat("nan", -1, 1); });
}

}  // namespace
}  // namespace inference
