// generate, chat and bench on the tiny model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "support/temp_dir.h"
#include "tools/program.h"

namespace inference::tools_test {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Checks what is true of every stream of JSON lines, and returns the ids.
Json CheckedIds(const Outcome& outcome, std::string* text = nullptr) {
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  std::vector<Json> lines = outcome.lines();
  if (lines.empty() || outcome.exit_code != 0) return nullptr;
  const Json done = lines.back();
  lines.pop_back();
  Json ids = Json::array();
  for (const Json& line : lines) {
    EXPECT_EQ(line.size(), 2u);
    EXPECT_GE(line["token_id"], 0);
    ids.push_back(line["token_id"]);
    if (text != nullptr) *text += line["token"].get<std::string>();
  }
  EXPECT_EQ(done["done"], true);
  EXPECT_EQ(done["tokens_generated"], ids.size());
  for (const char* key :
       {"prompt_tokens", "cached_tokens", "generated_tokens", "prefill_ns", "decode_ns", "total_ns",
        "prefill_tok_s", "decode_tok_s", "active_bytes", "peak_bytes"}) {
    EXPECT_TRUE(done["metrics"][key].is_number()) << key;
  }
  return ids;
}

// The text of ids; those that only the model has, and not its tokenizer, have none.
std::string Decoded(const Json& ids) {
  Json known = Json::array();
  for (const Json& id : ids) {
    if (id < 485) known.push_back(id);
  }
  return Inference({"tokenize", "--tokenizer", TinyModel(), "--decode"}, known.dump())
      .lines()
      .at(0)["text"];
}

TEST(Generate, ASavedSessionGoesOnWhereItEnded) {
  const TempDir folder;
  const std::string path = folder.Path("talk.session");
  const auto generate = [&](std::vector<std::string> rest) {
    std::vector<std::string> all = {"generate", "--model", TinyModel(), "--json", "--ignore-eos"};
    all.insert(all.end(), rest.begin(), rest.end());
    return Inference(all);
  };
  // The last token of an answer that is cut belongs to what is saved, too.
  const Json first =
      CheckedIds(generate({"--ids", "480,350,367", "--max-tokens", "5", "--save-session", path}));
  const Outcome next =
      generate({"--ids", "5", "--max-tokens", "3", "--load-session", path, "--save-session", path});
  std::string all = "480,350,367";
  for (const Json& id : first) all += "," + id.dump();
  EXPECT_EQ(CheckedIds(next), CheckedIds(generate({"--ids", all + ",5", "--max-tokens", "3"})));
  EXPECT_EQ(next.last()["metrics"]["prompt_tokens"], 1);
  const Outcome other =
      Inference({"generate", "--model", INFERENCE_TEST_DATA "/golden/tiny/gemma2/model", "--ids",
                 "5", "--load-session", path});
  EXPECT_NE(other.exit_code, 0);
  EXPECT_THAT(other.err, HasSubstr("talk.session: model is"));
}

TEST(Generate, MetricsOfTheRuntime) {
  const Outcome outcome = Inference({"generate", "--model", TinyModel(), "--prompt", "Once",
                                     "--max-tokens", "5", "--ignore-eos", "--metrics", "--json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.lines().size(), 6u);
  const Json metrics = Json::parse(outcome.err);
  EXPECT_EQ(metrics["requests"], 1);
  EXPECT_EQ(metrics["generated_tokens"], 5);
  EXPECT_EQ(metrics["prefill_ns"], outcome.last()["metrics"]["prefill_ns"]);
  EXPECT_EQ(metrics["models"][0]["path"], TinyModel());
}

TEST(Generate, GoldenIdsAndText) {
  const Json golden = Golden();
  for (size_t i = 0; i < golden["generate"].size(); ++i) {
    const Json& want = golden["generate"][i]["ids"];
    std::string text;
    const Outcome outcome =
        Inference({"generate", "--model", TinyModel(), "--prompt", golden["generate"][i]["prompt"],
                   "--max-tokens", std::to_string(want.size()), "--ignore-eos", "--json"});
    EXPECT_EQ(CheckedIds(outcome, &text), want);
    EXPECT_EQ(outcome.last()["finish"], "length");
    // The streamed text is the decoded text, whatever was cut off within a character.
    EXPECT_EQ(text, Decoded(want));
  }
}

TEST(Generate, EveryCutOffCharacterBelongsToTheLastLine) {
  const Json want = Golden()["generate"][0]["ids"];
  for (size_t n = 1; n <= 12; ++n) {
    std::string text;
    CheckedIds(Inference({"generate", "--model", TinyModel(), "--prompt", "The quick brown fox",
                          "--max-tokens", std::to_string(n), "--ignore-eos", "--json"}),
               &text);
    Json ids = Json::array();
    for (size_t i = 0; i < n; ++i) ids.push_back(want[i]);
    EXPECT_EQ(text, Decoded(ids)) << n;
  }
}

TEST(Generate, IdsAndPromptAgree) {
  const Json prompt = Golden()["prompts"][0];
  const std::vector<std::string> rest = {"--max-tokens", "8", "--json", "--ignore-eos"};
  const auto generate = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"generate", "--model", TinyModel()});
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    return CheckedIds(Inference(arguments));
  };
  EXPECT_EQ(generate({"--prompt", prompt["text"]}), generate({"--ids", IdList(prompt["ids"])}));
}

TEST(Generate, PlainTextEndsWithANewline) {
  const Outcome outcome = Inference(
      {"generate", "--model", TinyModel(), "--prompt", "The quick brown fox", "--max-tokens", "1"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, "1\n");
  EXPECT_EQ(outcome.err, "");
}

TEST(Generate, SameSeedSameText) {
  const auto generate = [](const std::string& seed) {
    return CheckedIds(
        Inference({"generate", "--model", TinyModel(), "--ids", "480,350", "--max-tokens", "24",
                   "--temperature", "1.5", "--seed", seed, "--json", "--ignore-eos"}));
  };
  const Json first = generate("7");
  EXPECT_EQ(first, generate("7"));
  EXPECT_NE(first, generate("8"));
}

TEST(Generate, EndsBeforeAStop) {
  const auto generate = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"generate", "--model", TinyModel(), "--prompt", "The quick brown fox",
                      "--max-tokens", "30", "--ignore-eos", "--json"});
    std::string text;
    const Outcome outcome = Inference(arguments);
    CheckedIds(outcome, &text);
    return std::pair(text, outcome.last()["finish"].get<std::string>());
  };
  // Every token is "n" but where a bias says otherwise: texts such as "[n]" arrive as they are.
  const std::string bias = "77=1000";
  EXPECT_EQ(generate({"--logit-bias", bias}), std::pair(std::string(30, 'n'), "length"s));
  EXPECT_EQ(generate({"--logit-bias", bias, "--stop", "[n]", "--stop", "nnn"}),
            std::pair(""s, "stop_string"s));
  EXPECT_EQ(generate({"--logit-bias", bias, "--stop", "[n]", "--stop", "n x"}),
            std::pair(std::string(30, 'n'), "length"s));
  EXPECT_EQ(generate({"--logit-bias", bias, "--stop-token", "3", "--stop-token", "77"}),
            std::pair(""s, "stop_token"s));
  // Banned once it was there, by a penalty that is larger than the bias.
  EXPECT_EQ(generate({"--logit-bias", "77=60", "--presence-penalty", "100"}).first.find("nn"),
            std::string::npos);
}

TEST(Generate, Logprobs) {
  const Outcome outcome = Inference({"generate", "--model", TinyModel(), "--prompt",
                                     "The quick brown fox", "--max-tokens", "4", "--ignore-eos",
                                     "--json", "--logprobs", "2", "--prompt-logprobs"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::vector<Json> lines = outcome.lines();
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[0]["prompt_ids"], Golden()["prompts"][0]["ids"]);
  EXPECT_EQ(lines[0]["prompt_logprobs"].size(), lines[0]["prompt_ids"].size());
  EXPECT_TRUE(lines[0]["prompt_logprobs"][0].is_null());
  EXPECT_LT(lines[0]["prompt_logprobs"][1], 0.0);
  for (size_t i = 1; i < 5; ++i) {
    EXPECT_EQ(lines[i]["top_ids"][0], lines[i]["token_id"]) << "greedy";
    EXPECT_EQ(lines[i]["top_logprobs"][0], lines[i]["logprob"]);
    EXPECT_EQ(lines[i]["top_logprobs"].size(), 2u);
  }
}

TEST(Generate, OptionsThatMakeNoSenseAreRefused) {
  const auto fails = [](const std::vector<std::string>& options, const char* part) {
    std::vector<std::string> arguments = {"generate", "--model", TinyModel(), "--prompt", "a"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = Inference(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << part;
    EXPECT_THAT(outcome.err, HasSubstr(part));
  };
  fails({"--logit-bias", "5"}, "5 is not ID=X");
  fails({"--logit-bias", "5=1x"}, "5=1x is not ID=X");
  fails({"--logit-bias", "-1=1"}, "-1=1 is not ID=X");
  fails({"--sampler-order", "top-p,top_k"}, "entry 2 is 'top_k'");
  fails({"--sampler-order", "top-p,top-p"}, "entry 2 is 'top-p'");
  fails({"--sampler-order", "top-p,"}, "entry 2 is ''");
  fails({"--logprobs", "2"}, "want --json");
  fails({"--prompt-logprobs"}, "want --json");
  fails({"--logprobs", "65", "--json"}, "65");
  fails({"--typical", "2"}, "2");
}

TEST(Generate, MessagesFromAFile) {
  const Json chat = Golden()["chats"][0];
  const std::string path = TemporaryPath("messages.json");
  const auto generate = [&](const Json& content) {
    std::ofstream(path) << content.dump();
    const Outcome outcome = Inference({"generate", "--model", TinyModel(), "--messages", path,
                                       "--max-tokens", "4", "--json", "--ignore-eos"});
    CheckedIds(outcome);
    return outcome.last()["metrics"]["prompt_tokens"];
  };
  EXPECT_EQ(generate(chat["messages"]), chat["ids"].size());
  EXPECT_EQ(generate({{"messages", chat["messages"]}, {"tools", nullptr}}), chat["ids"].size());
}

TEST(Generate, ErrorsOfTheMessagesFile) {
  const std::string path = TemporaryPath("broken.json");
  std::ofstream(path) << "[{";
  const Outcome broken = Inference({"generate", "--model", TinyModel(), "--messages", path});
  EXPECT_EQ(broken.exit_code, 1);
  EXPECT_THAT(broken.err, StartsWith("inference: FORMAT: " + path + ": not valid JSON"));
  const Outcome missing =
      Inference({"generate", "--model", TinyModel(), "--messages", "/no/such.json"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, StartsWith("inference: NOT_FOUND: /no/such.json: "));
}

TEST(Generate, AnIdOutsideTheVocabulary) {
  const Outcome outcome =
      Inference({"generate", "--model", TinyModel(), "--ids", "1,99999", "--json"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, StartsWith("inference: ARG: "));
  EXPECT_THAT(outcome.err, HasSubstr("99999"));
}

TEST(Generate, ADeviceThatIsNotThere) {
  const Outcome outcome = Inference(
      {"generate", "--model", TinyModel(), "--prompt", "a", "--device", "no such device"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, StartsWith("inference: DEVICE: "));
}

TEST(Generate, AFullContextIsAResult) {
  const Outcome outcome =
      Inference({"generate", "--model", TinyModel(), "--ids", "480,350", "--n-ctx", "8",
                 "--max-tokens", "100", "--ignore-eos", "--json"});
  CheckedIds(outcome);
  EXPECT_EQ(outcome.last()["finish"], "context_full");
}

TEST(Chat, AnswersLinesAndCommands) {
  const Outcome outcome =
      Inference({"chat", "--model", TinyModel(), "--max-tokens", "4", "--ignore-eos"},
                "Hello\n\n/help\n/nonsense\n/reset\nHello\n/quit\nnever read\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("/reset  forget the conversation"));
  EXPECT_THAT(outcome.err, HasSubstr("/nonsense is not a command"));
  // After /reset the same question has the same answer.
  const std::string half = outcome.out.substr(0, outcome.out.size() / 2);
  EXPECT_EQ(outcome.out, half + half);
}

TEST(Chat, InterruptStopsTheAnswerAndNotTheProgram) {
  Conversation chat({"chat", "--model", TinyModel(), "--max-tokens", "100000", "--ignore-eos"});
  chat.Write("Hello\n");
  EXPECT_NE(chat.ReadSome(), "");
  chat.Signal(SIGINT);
  chat.Write("/reset\nHello\n");
  EXPECT_NE(chat.ReadSome(), "");
  chat.Write("/quit\n");
  EXPECT_EQ(chat.Finish(), 0);
}

TEST(Generate, InterruptEndsItWithItsMetrics) {
  Conversation generate({"generate", "--model", TinyModel(), "--ids", "480,350", "--ignore-eos",
                         "--max-tokens", "100000", "--json"});
  std::string out = generate.ReadSome();
  generate.Signal(SIGINT);
  for (std::string more; !(more = generate.ReadSome()).empty();) out += more;
  EXPECT_EQ(generate.Finish(), 1);
  Outcome outcome;
  outcome.exit_code = 0;
  outcome.out = out;
  CheckedIds(outcome);
  EXPECT_EQ(outcome.last()["finish"], "cancelled");
}

TEST(Bench, ReportsEveryMeasure) {
  const Outcome outcome = Inference({"bench", "--model", TinyModel(), "--prompt-tokens", "16",
                                     "--gen-tokens", "4", "--repetitions", "1", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json bench = outcome.last();
  for (const char* key : {"prefill_tok_s", "decode_tok_s", "load_s", "first_token_s", "read_gb_s",
                          "decode_bytes_per_token", "share_of_read_bandwidth", "peak_rss_mb"}) {
    EXPECT_GT(bench[key], 0) << key;
  }
}

TEST(Info, DescribesTheModel) {
  const Outcome outcome = Inference({"info", "--model", TinyModel(), "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json info = outcome.last();
  EXPECT_EQ(info["architecture"], "llama");
  EXPECT_EQ(info["format"], "safetensors");
  EXPECT_EQ(info["path"], TinyModel());
  EXPECT_GT(info["parameters"], 100000);
}

}  // namespace
}  // namespace inference::tools_test
