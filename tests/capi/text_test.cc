// Tokenizer, streaming detokeniser and chat.
#include <fstream>

#include "capi/api.h"

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
  ASSERT_OK(inf_tokenizer_load(kTinyModel.data(), kTinyModel.size(), tokenizer.out(), &err));
  EXPECT_EQ(inf_vocab_size(tokenizer.get()), inf_vocab_size(SharedTokenizer()));
  EXPECT_EQ(inf_special_token(tokenizer.get(), INF_SPECIAL_BOS), 480);
  EXPECT_EQ(inf_special_token(tokenizer.get(), INF_SPECIAL_EOS), 484);
  EXPECT_LT(inf_special_token(tokenizer.get(), 3), 0);
  EXPECT_EQ(inf_token_is_end(tokenizer.get(), 484), 1);
  EXPECT_EQ(inf_token_is_end(tokenizer.get(), 0), 0);
  EXPECT_EQ(inf_token_is_end(tokenizer.get(), -1), 0);
  Tokenizer missing;
  EXPECT_FAILS(INF_E_NOT_FOUND, "/no/such", inf_tokenizer_load("/no/such", 8, missing.out(), &err));
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
  for (const char* style : {"gemma", "chatml", "llama3", "plain"}) {
    ASSERT_OK(inf_chat_set_template(chat.get(), style, std::strlen(style), &err));
    EXPECT_THAT(Render(chat.get()), testing::HasSubstr("Hi"));
  }
}

TEST(ChatTest, TemplateErrors) {
  const Chat chat = NewChat();
  const auto set = [&](const std::string& text, inf_error* err) {
    return inf_chat_set_template(chat.get(), text.data(), text.size(), err);
  };
  EXPECT_FAILS(INF_E_TEMPLATE, "chat_template:2:", set("\n{% if %}", &err));
  EXPECT_FAILS(INF_E_ARG, "text: is empty", set("", &err));
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
