/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation: one line of standard input is a question. Usage: chat MODEL */
#include <cairn/cairn.h>
#include <stdio.h>
#include <string.h>

static int32_t print(void* user, const char* text, size_t length) {
  (void)user;
  fwrite(text, 1, length, stdout);
  return fflush(stdout);
}

int main(int argc, char** argv) {
  char line[4096];
  cairn_error* error = NULL;
  cairn_model* model = NULL;
  cairn_engine* engine = NULL;
  cairn_chat* chat = NULL;
  cairn_status status = cairn_model_open(argc > 1 ? argv[1] : "smollm2", NULL, &model, &error);
  if (status == CAIRN_OK) status = cairn_engine_open(model, NULL, &engine, &error);
  if (status == CAIRN_OK) status = cairn_chat_open(engine, NULL, NULL, &chat, &error);
  while (status == CAIRN_OK && fgets(line, sizeof(line), stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    status = cairn_chat_ask(chat, line, NULL, print, NULL, NULL, &error);
    puts("");
  }
  if (status != CAIRN_OK) fprintf(stderr, "chat: %s\n", cairn_error_message(error));
  cairn_error_free(error);
  cairn_chat_free(chat);
  cairn_engine_free(engine);
  cairn_model_free(model);
  return status == CAIRN_OK ? 0 : 1;
}
