/* Streams a model's answer to a question:
 *
 *   make && ./stream model.gguf "What is the capital of France?"
 *
 * With a seed as a third argument the answer is drawn at temperature 1, else the likeliest one is
 * taken. Ctrl-C ends the answer and not the program. */
#include <inference.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inf_cancel* cancel;

static void OnInterrupt(int signal_number) {
  (void)signal_number;
  inf_cancel_trigger(cancel);
}

/* Runs inside inf_generate, on this thread; the event is borrowed until it returns. */
static int32_t OnEvent(void* user, const inf_event* event) {
  (void)user;
  if (event->kind == INF_EVENT_TOKEN) {
    fwrite(event->text, 1, (size_t)event->text_len, stdout);
    fflush(stdout);
  }
  return 0; /* go on */
}

/* Everything that must be freed, in any order; freeing NULL does nothing. */
typedef struct {
  inf_runtime* runtime;
  inf_model* model;
  inf_tokenizer* tokenizer;
  inf_chat* chat;
  inf_session* session;
  inf_request* request;
} Objects;

static inf_status Open(Objects* o, const char* path, inf_error* err) {
  inf_status status = inf_runtime_new(NULL, NULL, NULL, NULL, &o->runtime, err);
  if (status < 0) return status;
  status = inf_model_load(o->runtime, path, strlen(path), NULL, cancel, NULL, NULL, &o->model, err);
  if (status < 0) return status;
  status = inf_model_tokenizer(o->model, &o->tokenizer, err);
  if (status < 0) return status;
  return inf_session_new(o->model, NULL, &o->session, err);
}

static inf_status Draw(inf_request* request, const char* seed, inf_error* err) {
  inf_sampling sampling;
  inf_sampling_init(&sampling);
  sampling.temperature = 1.0f;
  sampling.seed = strtoull(seed, NULL, 10);
  return inf_request_set_sampling(request, &sampling, err);
}

static inf_status Ask(Objects* o, const char* question, const char* seed, inf_result* result,
                      inf_error* err) {
  inf_status status = inf_chat_new(o->tokenizer, &o->chat, err);
  if (status < 0) return status;
  status = inf_chat_add(o->chat, "user", 4, question, strlen(question), err);
  if (status < 0) return status;
  status = inf_request_new(&o->request, err);
  if (status < 0) return status;
  status = inf_request_set_chat(o->request, o->chat, err);
  if (status < 0) return status;
  if (seed != NULL) status = Draw(o->request, seed, err);
  if (status < 0) return status;
  status = inf_request_set_cancel(o->request, cancel, err);
  if (status < 0) return status;
  return inf_generate(o->session, o->request, OnEvent, NULL, result, err);
}

int main(int argc, char** argv) {
  Objects objects = {NULL, NULL, NULL, NULL, NULL, NULL};
  inf_result result;
  inf_error err;
  inf_status status;
  if (argc != 3 && argc != 4) {
    fprintf(stderr, "usage: %s MODEL QUESTION [SEED]\n", argv[0]);
    return 2;
  }
  memset(&result, 0, sizeof(result));
  memset(&err, 0, sizeof(err));
  result.struct_size = sizeof(result);
  err.struct_size = sizeof(err);

  status = inf_check_abi(INF_VERSION_NUMBER, &err);
  if (status == INF_OK) status = inf_cancel_new(&cancel, &err);
  if (status == INF_OK) {
    signal(SIGINT, OnInterrupt);
    status = Open(&objects, argv[1], &err);
  }
  if (status == INF_OK) status = Ask(&objects, argv[2], argv[3], &result, &err);
  if (status == INF_OK || status == INF_E_CANCELLED) {
    printf("\n\n%llu tokens, %.1f tok/s, finish: %s\n", (unsigned long long)result.generated_tokens,
           result.decode_tok_s, inf_finish_name(result.finish));
  } else {
    fprintf(stderr, "%s: %s\n", inf_status_name(status), err.msg);
  }

  inf_request_free(objects.request);
  inf_chat_free(objects.chat);
  inf_session_free(objects.session);
  inf_tokenizer_free(objects.tokenizer);
  inf_model_free(objects.model);
  inf_runtime_free(objects.runtime);
  signal(SIGINT, SIG_DFL);
  inf_cancel_free(cancel);
  return status == INF_OK || status == INF_E_CANCELLED ? 0 : 1;
}
