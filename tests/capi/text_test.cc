// Tokenizer, streaming detokeniser and chat.
#include <filesystem>
#include <fstream>

#include "capi/api.h"
#include "support/temp_dir.h"

namespace inference::capi_test {
namespace {

using nlohmann::json;

json ReadGolden() { return json::parse(std::ifstream(kTinyFolder + "/golden.json")); }

TEST(Tokenize, GoldenPrompts) {
  const json golden = ReadGolden();
  for (const json& prompt : golden["prompts"]) {
    const auto text = prompt["text"].get<std::string>();
    Tokens ids;
    ASSERT_OK(
        inf_tokenize(SharedTokenizer(), text.data(), text.size(), INF_ADD_SPECIAL, &ids, &err));
    EXPECT_EQ(List(ids), prompt["ids"].get<Ids>());
    Text decoded;
    ASSERT_OK(
        inf_detokenize(SharedTokenizer(), ids.data, ids.len, INF_SKIP_SPECIAL, &decoded, &err));
    EXPECT_EQ(Str(decoded), prompt["decoded"]);
  }
}

TEST(Tokenize, FromAFolderWithoutADevice) {
  Tokenizer tokenizer;
  ASSERT_OK(
      inf_tokenizer_load(kTinyModel.data(), kTinyModel.size(), nullptr, tokenizer.out(), &err));
  EXPECT_EQ(inf_vocab_size(tokenizer.get()), inf_vocab_size(SharedTokenizer()));
  EXPECT_EQ(inf_special_token(tokenizer.get(), INF_SPECIAL_BOS), 480);
  EXPECT_EQ(inf_special_token(tokenizer.get(), INF_SPECIAL_EOS), 484);
  EXPECT_LT(inf_special_token(tokenizer.get(), 3), 0);
  EXPECT_EQ(inf_token_is_end(tokenizer.get(), 484), 1);
  EXPECT_EQ(inf_token_is_end(tokenizer.get(), 0), 0);
  EXPECT_EQ(inf_token_is_end(tokenizer.get(), -1), 0);
  Tokenizer missing;
  EXPECT_FAILS(INF_E_NOT_FOUND, "/no/such",
               inf_tokenizer_load("/no/such", 8, nullptr, missing.out(), &err));
}

TEST(Tokenize, SpecialTokensInTheText) {
  const std::string text = "<|eot_id|>";
  Tokens ids;
  ASSERT_OK(
      inf_tokenize(SharedTokenizer(), text.data(), text.size(), INF_PARSE_SPECIAL, &ids, &err));
  EXPECT_EQ(List(ids), Ids{484});
  ASSERT_OK(inf_tokenize(SharedTokenizer(), text.data(), text.size(), 0, &ids, &err));
  EXPECT_GT(ids.len, 1u);
}

TEST(Tokenize, IdsOutOfRange) {
  Text text;
  EXPECT_FAILS(INF_E_ARG, "-1", inf_token_bytes(SharedTokenizer(), -1, &text, &err));
  EXPECT_FAILS(INF_E_ARG, "485", inf_token_bytes(SharedTokenizer(), 485, &text, &err));
  ASSERT_OK(inf_token_bytes(SharedTokenizer(), 350, &text, &err));
  EXPECT_GT(text.len, 0u);
}

TEST(Detok, PiecesAreTheWhole) {
  const Ids ids = ReadGolden()["prompts"][2]["ids"].get<Ids>();
  Text whole, piece;
  ASSERT_OK(
      inf_detokenize(SharedTokenizer(), ids.data(), ids.size(), INF_SKIP_SPECIAL, &whole, &err));
  Detok detok;
  ASSERT_OK(inf_detok_new(SharedTokenizer(), INF_SKIP_SPECIAL, detok.out(), &err));
  for (int again = 0; again < 2; ++again) {
    std::string all;
    for (const inf_token id : ids) {
      ASSERT_OK(inf_detok_push(detok.get(), id, &piece, &err));
      all += Str(piece);
    }
    EXPECT_FAILS(INF_E_ARG, "id", inf_detok_push(detok.get(), -1, &piece, &err));
    ASSERT_OK(inf_detok_flush(detok.get(), &piece, &err));
    all += Str(piece);
    EXPECT_EQ(all, Str(whole));
  }
}

Chat NewChat() {
  Chat chat;
  EXPECT_OK(inf_chat_new(SharedTokenizer(), chat.out(), &err));
  return chat;
}

std::string Render(inf_chat* chat, uint32_t flags = 0) {
  Text text;
  EXPECT_OK(inf_chat_render(chat, flags, &text, nullptr, &err));
  return Str(text);
}

TEST(ChatTest, GoldenRenderings) {
  const json all = ReadGolden();
  for (const json& golden : all["chats"]) {
    const Chat chat = NewChat();
    const std::string messages = golden["messages"].dump();
    ASSERT_OK(inf_chat_add_json(chat.get(), messages.data(), messages.size(), &err));
    Text text;
    Tokens ids;
    ASSERT_OK(inf_chat_render(chat.get(), INF_ADD_GENERATION_PROMPT, &text, &ids, &err));
    EXPECT_EQ(Str(text), golden["text"]);
    EXPECT_EQ(List(ids), golden["ids"].get<Ids>());
  }
}

TEST(ChatTest, MessagesOneByOneOrAsJson) {
  const Chat by_text = NewChat(), by_json = NewChat();
  ASSERT_OK(inf_chat_add(by_text.get(), "user", 4, "Hi", 2, &err));
  ASSERT_OK(inf_chat_add(by_text.get(), "assistant", 9, nullptr, 0, &err));
  const std::string one = R"( {"role": "user", "content": "Hi"})";
  const std::string more = R"([{"role": "assistant", "content": ""}])";
  ASSERT_OK(inf_chat_add_json(by_json.get(), one.data(), one.size(), &err));
  ASSERT_OK(inf_chat_add_json(by_json.get(), more.data(), more.size(), &err));
  EXPECT_EQ(Render(by_json.get()), Render(by_text.get()));
  ASSERT_OK(inf_chat_clear(by_json.get(), &err));
  EXPECT_EQ(Render(by_json.get()), Render(NewChat().get()));
}

TEST(ChatTest, JsonIsAllOrNothing) {
  const Chat chat = NewChat();
  ASSERT_OK(inf_chat_set_template(chat.get(), "plain", 5, &err));
  const auto add = [&](const std::string& text, inf_error* err) {
    return inf_chat_add_json(chat.get(), text.data(), text.size(), err);
  };
  EXPECT_FAILS(INF_E_ARG, "messages[1]: role: missing",
               add(R"([{"role": "user", "content": "a"}, {"content": "b"}])", &err));
  EXPECT_FAILS(INF_E_ARG, "messages", add("", &err));
  EXPECT_FAILS(INF_E_ARG, "messages", add("3", &err));
  EXPECT_FAILS(INF_E_ARG, "messages", add(R"({"role": "user"}, {"role": "user"})", &err));
  EXPECT_EQ(Render(chat.get()), "");
}

TEST(ChatTest, BytesThatAreNotUtf8) {
  const Chat chat = NewChat();
  ASSERT_OK(inf_chat_set_template(chat.get(), "plain", 5, &err));
  ASSERT_OK(inf_chat_add(chat.get(), "us\xFF", 3, "a\xFF\0b", 4, &err));
  EXPECT_EQ(Render(chat.get()), std::string("a\xEF\xBF\xBD\0b", 6));
}

TEST(ChatTest, TemplatesAndVariables) {
  const Chat chat = NewChat();
  ASSERT_OK(inf_chat_add(chat.get(), "user", 4, "Hi", 2, &err));
  const std::string source =
      "{{ bos_token }}{{ greeting }}{{ messages[0].content }}"
      "{{ add_generation_prompt }}";
  ASSERT_OK(inf_chat_set_template(chat.get(), source.data(), source.size(), &err));
  const std::string variables = R"({"greeting": "Oh. "})";
  ASSERT_OK(inf_chat_set_variables_json(chat.get(), variables.data(), variables.size(), &err));
  EXPECT_EQ(Render(chat.get()), "<|begin_of_text|>Oh. HiFalse");
  EXPECT_EQ(Render(chat.get(), INF_ADD_GENERATION_PROMPT), "<|begin_of_text|>Oh. HiTrue");
  EXPECT_FAILS(INF_E_ARG, "variables: is array",
               inf_chat_set_variables_json(chat.get(), "[]", 2, &err));
  ASSERT_OK(inf_chat_set_template(chat.get(), nullptr, 0, &err));
  EXPECT_THAT(Render(chat.get()), testing::HasSubstr("user<|end_header_id|>"));
}

TEST(ChatTest, Styles) {
  const Chat chat = NewChat();
  ASSERT_OK(inf_chat_add(chat.get(), "system", 6, "S", 1, &err));
  ASSERT_OK(inf_chat_add(chat.get(), "user", 4, "U", 1, &err));
  const auto render = [&](const char* style) {
    EXPECT_OK(inf_chat_set_template(chat.get(), style, std::strlen(style), &err));
    return Render(chat.get(), INF_ADD_GENERATION_PROMPT);
  };
  const std::string bos = "<|begin_of_text|>", start = "<start_of_turn>", end = "<end_of_turn>\n";
  EXPECT_EQ(render("gemma"),
            bos + start + "user\nS" + end + start + "user\nU" + end + start + "model\n");
  EXPECT_EQ(render("gemma-system"),
            bos + start + "user\n[System: S]" + end + start + "user\nU" + end + start + "model\n");
  EXPECT_EQ(
      render("chatml"),
      "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(
      render("llama3"),
      bos +
          "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user"
          "<|end_header_id|>\n\nU<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(render("plain"), "S\nU");
  EXPECT_FAILS(INF_E_ARG, "no style or template is called 'chatlm'",
               inf_chat_set_template(chat.get(), "chatlm", 6, &err));
  EXPECT_EQ(Render(chat.get()), "S\nU");
}

// A folder with several templates and special tokens, and no weights.
class NamedTemplates : public testing::Test {
 protected:
  NamedTemplates() {
    std::filesystem::copy(kTinyModel + "/tokenizer.json", folder_.path() + "/tokenizer.json");
    folder_.Write("tokenizer_config.json",
                  R"({"bos_token": {"content": "<|begin_of_text|>"}, "pad_token": "<|eot_id|>",
                      "image_token": "<img>",
                      "chat_template": [
                        {"name": "default", "template": "D{{ bos_token }}{{ x }}"},
                        {"name": "tool_use", "template": "T{{ tools | length }}"},
                        {"name": "rag", "template": "R{{ pad_token }}{{ image_token }}"}]})");
  }

  Chat Open(const std::string& option) {
    Config config;
    EXPECT_OK(inf_config_new(config.out(), &err));
    EXPECT_OK(
        inf_config_set_str(config.get(), "chat_template", 13, option.data(), option.size(), &err));
    Tokenizer tokenizer;
    EXPECT_OK(inf_tokenizer_load(folder_.path().data(), folder_.path().size(), config.get(),
                                 tokenizer.out(), &err));
    Chat chat;
    EXPECT_OK(inf_chat_new(tokenizer.get(), chat.out(), &err));
    return chat;
  }

  void Choose(const Chat& chat, std::string_view name) {
    EXPECT_OK(inf_chat_set_template(chat.get(), name.data(), name.size(), &err));
  }

  void SetVariables(const Chat& chat, std::string_view text) {
    EXPECT_OK(inf_chat_set_variables_json(chat.get(), text.data(), text.size(), &err));
  }

  const TempDir folder_;
};

TEST_F(NamedTemplates, ToolsChooseOne) {
  const Chat chat = Open("");
  EXPECT_EQ(Render(chat.get()), "D<|begin_of_text|>");
  SetVariables(chat, R"({"tools": [{}, {}], "x": 1})");
  EXPECT_EQ(Render(chat.get()), "T2");
  SetVariables(chat, R"({"tools": null, "x": 1})");
  EXPECT_EQ(Render(chat.get()), "D<|begin_of_text|>1");
  SetVariables(chat, R"({"bos_token": "<mine>"})");
  EXPECT_EQ(Render(chat.get()), "D<mine>");
}

TEST_F(NamedTemplates, ByNameForOneChat) {
  const Chat chat = Open("");
  Choose(chat, "rag");
  EXPECT_EQ(Render(chat.get()), "R<|eot_id|><img>");
  Choose(chat, "{{ 'own' }}");
  EXPECT_EQ(Render(chat.get()), "own");
  Choose(chat, "");
  EXPECT_EQ(Render(chat.get()), "D<|begin_of_text|>");
}

TEST_F(NamedTemplates, ByOptionForAllChats) {
  EXPECT_EQ(Render(Open("rag").get()), "R<|eot_id|><img>");
  EXPECT_EQ(Render(Open("chatml").get(), INF_ADD_GENERATION_PROMPT), "<|im_start|>assistant\n");
  const Chat chat = Open("{{ 'own' }}{{ bos_token }}");
  EXPECT_EQ(Render(chat.get()), "own<|begin_of_text|>");
  Choose(chat, "rag");
  EXPECT_EQ(Render(chat.get()), "R<|eot_id|><img>");
  Choose(chat, "");
  EXPECT_EQ(Render(chat.get()), "own<|begin_of_text|>");

  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  for (const auto& [text, status] :
       {std::pair("{% if %}", INF_E_TEMPLATE), std::pair("nope", INF_E_ARG)}) {
    ASSERT_OK(inf_config_set_str(config.get(), "chat_template", 13, text, std::strlen(text), &err));
    Tokenizer tokenizer;
    EXPECT_FAILS(status, "chat_template:",
                 inf_tokenizer_load(folder_.path().data(), folder_.path().size(), config.get(),
                                    tokenizer.out(), &err));
    EXPECT_EQ(tokenizer.get(), nullptr);
  }
}

TEST_F(NamedTemplates, OfALoadedModel) {
  Config config;
  ASSERT_OK(inf_config_new(config.out(), &err));
  ASSERT_OK(inf_config_set_str(config.get(), "chat_template", 13, "plain", 5, &err));
  Model model;
  ASSERT_OK(inf_model_load(SharedRuntime(), kTinyModel.data(), kTinyModel.size(), config.get(),
                           nullptr, nullptr, nullptr, model.out(), &err));
  Tokenizer tokenizer;
  ASSERT_OK(inf_model_tokenizer(model.get(), tokenizer.out(), &err));
  Chat chat;
  ASSERT_OK(inf_chat_new(tokenizer.get(), chat.out(), &err));
  ASSERT_OK(inf_chat_add(chat.get(), "user", 4, "Hi", 2, &err));
  EXPECT_EQ(Render(chat.get()), "Hi");
}

TEST(ChatTest, ContinuesTheLastMessage) {
  const Chat chat = NewChat();
  ASSERT_OK(inf_chat_set_template(chat.get(), "chatml", 6, &err));
  Text text;
  EXPECT_FAILS(INF_E_ARG, "continue_final_message: there is no message",
               inf_chat_render(chat.get(), INF_CONTINUE_FINAL_MESSAGE, &text, nullptr, &err));
  ASSERT_OK(inf_chat_add(chat.get(), "assistant", 9, "To be", 5, &err));
  EXPECT_EQ(Render(chat.get(), INF_CONTINUE_FINAL_MESSAGE), "<|im_start|>assistant\nTo be");
  EXPECT_FAILS(INF_E_ARG, "excludes add_generation_prompt",
               inf_chat_render(chat.get(), INF_CONTINUE_FINAL_MESSAGE | INF_ADD_GENERATION_PROMPT,
                               &text, nullptr, &err));
  EXPECT_FAILS(INF_E_ARG, "flags", inf_chat_render(chat.get(), 4, &text, nullptr, &err));
}

// Null fields are left out, and reasoning has each of its names, as transformers does it.
TEST(ChatTest, MessagesAreSeenAsInTransformers) {
  const Chat chat = NewChat();
  const std::string source = "{{ messages | tojson }}";
  ASSERT_OK(inf_chat_set_template(chat.get(), source.data(), source.size(), &err));
  const std::string message = R"({"role": "assistant", "content": null, "reasoning": "r"})";
  ASSERT_OK(inf_chat_add_json(chat.get(), message.data(), message.size(), &err));
  EXPECT_EQ(Render(chat.get()), R"([{"thinking": "r", "role": "assistant", "reasoning": "r", )"
                                R"("reasoning_content": "r"}])");
}

TEST(ChatTest, TemplateErrors) {
  const Chat chat = NewChat();
  const auto set = [&](const std::string& text, inf_error* err) {
    return inf_chat_set_template(chat.get(), text.data(), text.size(), err);
  };
  EXPECT_FAILS(INF_E_TEMPLATE, "chat_template:2:", set("\n{% if %}", &err));
  ASSERT_OK(set("{{ raise_exception('roles must alternate') }}", &err));
  Text text;
  EXPECT_FAILS(INF_E_TEMPLATE, "roles must alternate",
               inf_chat_render(chat.get(), 0, &text, nullptr, &err));
  const Session session = NewSession();
  const Request request = NewRequest();
  ASSERT_OK(inf_request_set_chat(request.get(), chat.get(), &err));
  EXPECT_FAILS(INF_E_TEMPLATE, "roles must alternate",
               inf_generate(session.get(), request.get(), nullptr, nullptr, nullptr, &err));
  ExpectWorks(session.get());
}

}  // namespace
}  // namespace inference::capi_test
