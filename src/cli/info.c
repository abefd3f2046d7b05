/* SPDX-License-Identifier: Apache-2.0
 * cli/info.c - the commands about bascule itself: help, version, completion. */
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "cli/help.h"
#include "cli/json.h"
#include "cli/run.h"

int bsc_run_help(struct bsc_cli *cli)
{
    if (bsc_cli_given(cli, BSC_OPTION_MAN)) {
        struct bsc_text page = { 0 };
        bsc_help_man(&page);
        fputs(bsc_text_get(&page), stdout);
        bsc_text_deinit(&page);
        return BSC_EXIT_DONE;
    }
    if (!cli->call.argument_count)
        return bsc_help_print(NULL);
    const char *name = cli->call.arguments[0];
    const struct bsc_cli_command *command = bsc_command_find(name);
    if (command)
        return bsc_help_print(command);

    struct bsc_error error;
    struct bsc_suggestions suggestions;
    bsc_suggest_begin(&suggestions, name);
    for (size_t i = 0; i < bsc_command_count; i++)
        bsc_suggest_offer(&suggestions, bsc_commands[i].name);
    bsc_error_set(&error, BSC_INVALID, "unknown command %s%s", name, bsc_suggest_end(&suggestions));
    bsc_suggest_deinit(&suggestions);
    return bsc_cli_fail(&error);
}

int bsc_run_version(struct bsc_cli *cli)
{
    enum { DAEMON_MS = 2000 };
    struct bsc_answer answer = { 0 };
    struct bsc_request *request = bsc_request_begin(
        &cli->client, &(struct bsc_request_spec){
                          .method = "GET", .path = "/v1/version", .timeout_ms = DAEMON_MS });
    while (!bsc_request_done(request))
        bsc_client_turn(&cli->client, DAEMON_MS, -1);
    bsc_request_answer(request, &answer);
    bsc_request_destroy(request);
    json_t *daemon = answer.status ? NULL : answer.body;
    if (cli->output.json) {
        json_t *all = json_pack("{s:s, s:O?}", "version", BSC_VERSION, "daemon", daemon);
        bsc_cli_print_json(all);
        json_decref(all);
    } else {
        struct bsc_text out = { 0 };
        bsc_text_puts(&out, "bascule " BSC_VERSION "\n");
        if (daemon) {
            bsc_output_printf(&cli->output, &out, BSC_STYLE_PLAIN, "daemon  %s",
                              bsc_json_text(daemon, "version"));
            bsc_text_puts(&out, "\n");
        }
        fputs(bsc_text_get(&out), stdout);
        bsc_text_deinit(&out);
    }
    json_decref(answer.body);
    return BSC_EXIT_DONE;
}

/* The shells' halves of completion are small and never change: what can stand where is asked of
 * `bascule __complete`, so it is always that of the program installed. */
static const char bash_script[] =
    "# bash completion for bascule; source it, or install it as\n"
    "# /usr/share/bash-completion/completions/bascule\n"
    "_bascule()\n"
    "{\n"
    "    local current=\"${COMP_WORDS[COMP_CWORD]}\" line text='' prefix=''\n"
    "    # Bash breaks words at = and :, which versions and --option=value contain.\n"
    "    local -a words=()\n"
    "    read -r -a words <<< \"${COMP_LINE:0:COMP_POINT}\"\n"
    "    [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=('')\n"
    "    text=\"${words[${#words[@]}-1]}\"\n"
    "    if [[ -z $text ]]; then prefix=''; else prefix=\"${text%\"$current\"}\"; fi\n"
    "    [[ $current == [:=] ]] && prefix=\"$text\"\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        case \"$line\" in\n"
    "        :files) compopt -o default; COMPREPLY=() ;;\n"
    "        :directories) compopt -o dirnames; COMPREPLY=() ;;\n"
    "        *) line=\"${line%%$'\\t'*}\"; COMPREPLY+=(\"${line#\"$prefix\"}\") ;;\n"
    "        esac\n"
    "    done < <(\"${words[0]}\" __complete \"${words[@]:1}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _bascule bascule\n";

static const char zsh_script[] =
    "#compdef bascule\n"
    "# zsh completion for bascule; source it, or put it into a folder of $fpath as _bascule\n"
    "_bascule()\n"
    "{\n"
    "    local line\n"
    "    local -a candidates\n"
    "    while IFS= read -r line; do\n"
    "        case \"$line\" in\n"
    "        :files) _files ;;\n"
    "        :directories) _files -/ ;;\n"
    "        *) candidates+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "        esac\n"
    "    done < <(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    (( $#candidates )) && _describe bascule candidates\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _bascule ]; then _bascule; else compdef _bascule bascule; fi\n";

static const char fish_script[] =
    "# fish completion for bascule; put it into ~/.config/fish/completions/bascule.fish\n"
    "function __bascule_complete\n"
    "    set -l words (commandline -opc) (commandline -ct)\n"
    "    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)\n"
    "        switch $line\n"
    "            case :files\n"
    "                __fish_complete_path (commandline -ct)\n"
    "            case :directories\n"
    "                __fish_complete_directories (commandline -ct)\n"
    "            case '*'\n"
    "                echo $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c bascule -f -a '(__bascule_complete)'\n";

int bsc_run_completion(struct bsc_cli *cli)
{
    const char *shell = cli->call.arguments[0];
    fputs(!strcmp(shell, "bash")  ? bash_script
          : !strcmp(shell, "zsh") ? zsh_script
                                  : fish_script,
          stdout);
    return BSC_EXIT_DONE;
}
