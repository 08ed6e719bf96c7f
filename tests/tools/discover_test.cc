// inference discover.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "support/temp_dir.h"
#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::HasSubstr;

TEST(Discover, ForPeople) {
  const Outcome outcome = Inference({"discover", TinyModel()});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr(TinyModel() + "\n"));
  EXPECT_THAT(outcome.out, HasSubstr("  llama (safetensors, BF16), "));
  EXPECT_THAT(outcome.out, HasSubstr(" in 1 file\n"));
}

TEST(Discover, Json) {
  const TempDir dir;
  std::filesystem::create_directory(dir.Path("m"));
  dir.Write("m/config.json", R"({"model_type": "mamba9"})");
  dir.Write("m/model.safetensors", "noise");
  const Outcome outcome = Inference({"discover", "--json", dir.path()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json model = outcome.last().at("models").at(0);
  EXPECT_EQ(model.at("path"), std::filesystem::canonical(dir.Path("m")).string());
  EXPECT_EQ(model.at("architecture"), "mamba9");
  EXPECT_EQ(model.at("loadable"), false);
  EXPECT_EQ(model.at("bytes"), 5);
  EXPECT_THAT(model.at("reason").get<std::string>(), HasSubstr("is 'mamba9', expected one of"));
  EXPECT_THAT(Inference({"discover", dir.path()}).out, HasSubstr("  cannot be loaded: "));
}

TEST(Discover, NamesCannotSteerTheTerminal) {
  const TempDir dir;
  const std::string evil = "m\x1b]0;x\x07\r\n\x7f\xc2\x9b\x9b-\xc3\xa9\xe2\x82\xac";
  std::filesystem::create_directory(dir.Path(evil));
  dir.Write(evil + "/config.json", R"({"model_type": "a\u001b[2Jb"})");
  dir.Write(evil + "/model.safetensors", "noise");
  const Outcome people = Inference({"discover", dir.path()});
  ASSERT_EQ(people.exit_code, 0) << people.err;
  const std::string shown = R"(m\x1b]0;x\x07\x0d\x0a\x7f)"
                            "\xc2"
                            R"(\x9b\x9b-)"
                            "\xc3\xa9\xe2\x82\xac";
  EXPECT_THAT(people.out, HasSubstr("/" + shown + "\n  a\\x1b[2Jb (safetensors, "));
  EXPECT_THAT(people.out, HasSubstr("cannot be loaded: "));
  EXPECT_EQ(people.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(std::ranges::count(people.out, '\n'), 3);

  // JSON escapes on its own; bytes that are no text are replaced.
  const Outcome json = Inference({"discover", "--json", dir.path()});
  EXPECT_EQ(json.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(json.last().at("models").at(0).at("architecture"), "a\x1b[2Jb");
}

TEST(Discover, NothingAndNowhere) {
  const TempDir dir;
  EXPECT_EQ(Inference({"discover", dir.path()}).out,
            "No model in " + dir.path() + " or its folders.\n");
  EXPECT_EQ(Inference({"discover", "--json", dir.path()}).last(),
            (Json{{"models", Json::array()}}));
  const Outcome outcome = Inference({"discover", "/no/such/folder"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err,
            "inference: NOT_FOUND: /no/such/folder: cannot list: No such file or directory\n");
  EXPECT_EQ(Inference({"discover"}).exit_code, 2);
}

}  // namespace
}  // namespace inference::tools_test
