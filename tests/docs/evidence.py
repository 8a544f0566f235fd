"""Which test shows that a setting, to which the migration pages map an option, does something."""

PROCESS = "tests/process"
RELOADING = f"{PROCESS}/test_dev_reload.py"
PROXIES = f"{PROCESS}/test_proxies.py"
RECYCLING = f"{PROCESS}/test_recycling.py"
HOOKS = f"{PROCESS}/test_hooks.py"
WEBSOCKET = f"{PROCESS}/test_websocket.py"
TLS = f"{PROCESS}/test_tls.py"
EFFECT = f"{PROCESS}/test_settings_take_effect.py"

SHOWN_BY = {  # by setting: module::test, or a module that is about nothing else
    "access_log": f"{PROCESS}/test_access_log.py",
    "access_log_format": f"{PROCESS}/test_access_log.py",
    "app_dir": f"{PROCESS}/test_examples.py::test_the_bare_handler_answers_from_every_worker",
    "backlog": f"{EFFECT}::test_as_many_connections_wait_as_the_backlog_says",
    "bind": f"{PROCESS}/test_spread.py::test_every_bind_is_served_by_the_same_workers",
    "ca_certs": f"{TLS}::test_clients_have_to_show_what_the_authority_has_signed",
    "capture_output": f"{PROCESS}/test_output.py",
    "certfile": TLS,
    "ciphers": f"{TLS}::test_only_the_ciphers_that_were_asked_for_are_agreed_on",
    "client_certs": f"{TLS}::test_without_a_certificate_clients_are_served_where_that_is_optional",
    "control": f"{PROCESS}/test_stats.py::test_the_control_socket_can_be_elsewhere",
    "env_file": f"{EFFECT}::test_the_application_sees_what_the_env_file_adds",
    "forwarded_allow_ips": f"{PROXIES}::test_a_peer_that_is_not_allowed_is_not_believed",
    "forwarded_headers": f"{PROXIES}::test_haproxys_standard_header_is_read_where_that_is_set",
    "graceful_timeout": f"{PROCESS}/test_stop.py"
    "::test_an_endless_request_ends_at_the_graceful_timeout",
    "interface": f"{EFFECT}::test_an_interface_that_cannot_be_found_out_is_told",
    "keepalive_timeout": f"{EFFECT}::test_an_idle_connection_is_closed_after_the_keepalive_timeout",
    "keyfile": TLS,
    "limit_concurrency": f"{EFFECT}::test_a_request_above_the_concurrency_is_declined",
    "log_config": f"{PROCESS}/test_app_logging.py",
    "log_format": f"{EFFECT}::test_the_log_has_the_level_and_the_format_that_were_asked_for",
    "log_level": f"{EFFECT}::test_the_log_has_the_level_and_the_format_that_were_asked_for",
    "max_header_field": f"{EFFECT}::test_a_request_over_a_limit_is_refused",
    "max_headers": f"{EFFECT}::test_a_request_over_a_limit_is_refused",
    "max_headers_size": f"{EFFECT}::test_a_request_over_a_limit_is_refused",
    "max_requests": f"{RECYCLING}::test_workers_are_recycled_one_after_another",
    "max_requests_jitter": "tests/core/test_wear.py"
    "::test_jitter_spreads_workers_over_what_was_allowed",
    "max_request_line": f"{EFFECT}::test_a_request_over_a_limit_is_refused",
    "name": f"{PROCESS}/test_stats.py"
    "::test_list_names_the_instance_and_status_says_that_it_is_healthy",
    "on_starting": HOOKS,
    "policy": f"{PROCESS}/test_policies.py"
    "::test_under_reuseport_every_worker_gets_connections_and_all_are_answered",
    "post_fork": HOOKS,
    "pre_stop": HOOKS,
    "preload": f"{EFFECT}::test_a_preloaded_application_is_imported_once",
    "proxy_protocol_allow_ips": f"{PROXIES}::test_haproxy_introduces_each_connection",
    "reload": RELOADING,
    "reload_dir": "tests/aides/test_watcher.py"
    "::test_without_directories_the_applications_is_watched",
    "reload_exclude": f"{RELOADING}::test_only_the_files_that_were_asked_for_count",
    "reload_include": f"{RELOADING}::test_only_the_files_that_were_asked_for_count",
    "root_path": f"{EFFECT}::test_fastapi_routes_and_links_behind_a_proxy_that_takes_a_prefix_away",
    "socket_mode": "tests/primary/test_listeners.py"
    "::test_the_file_of_a_unix_socket_has_the_mode_that_was_asked_for",
    "start_timeout": f"{PROCESS}/test_reload_failures.py"
    "::test_code_that_never_serves_is_not_noticed_by_clients",
    "threads": f"{PROCESS}/test_wsgi.py"
    "::test_as_many_requests_are_answered_at_a_time_as_there_are_threads",
    "when_ready": HOOKS,
    "worker_connections": f"{EFFECT}::test_a_connection_above_worker_connections_waits",
    "worker_exit": HOOKS,
    "ws_max_size": f"{WEBSOCKET}::test_a_message_over_ws_max_size_closes_with_1009",
    "ws_per_message_deflate": f"{WEBSOCKET}"
    "::test_without_ws_per_message_deflate_nothing_is_compressed",
    "ws_ping_interval": f"{WEBSOCKET}"
    "::test_a_client_is_asked_every_ws_ping_interval_and_has_ws_ping_timeout",
    "ws_ping_timeout": f"{WEBSOCKET}"
    "::test_a_client_is_asked_every_ws_ping_interval_and_has_ws_ping_timeout",
    "worker_timeout": f"{PROCESS}/test_watchdog.py",
    "workers": f"{PROCESS}/test_spread.py"
    "::test_400_connections_one_after_another_are_100_for_each_worker",
}
