#!/bin/sh
# Makes the virtual host and the logins of gateway and worker, with the rights they need and no others.
# Where rabbitmqctl works, and as often as you like: it sets passwords and rights again.
#
#   GATEWAY_PASSWORD=… WORKER_PASSWORD=… sh permissions.sh
#
# QUEUE_NAME, ALLOWED_QUEUES, QUEUE_TYPE and DIALECT are the gateway's settings; VHOST is llm-api.
set -eu
: "${GATEWAY_PASSWORD:?}" "${WORKER_PASSWORD:?}"
vhost=${VHOST:-llm-api}

# The names of the queues as one regular expression, with nothing in them meaning more than itself.
queues=$(printf '%s' "${QUEUE_NAME:-llm-api-queue},${ALLOWED_QUEUES:-}" |
  sed 's/[].[\*^$()+?{}|]/\\&/g; s/ *, */,/g; s/^[ ,]*//; s/[ ,]*$//; s/,,*/|/g')

# Passwords go by standard input: arguments can be seen by every user of the machine.
login() {
  printf '%s\n' "$2" | rabbitmqctl add_user "$1" 2>/dev/null ||
    printf '%s\n' "$2" | rabbitmqctl change_password "$1"
  rabbitmqctl set_user_tags "$1"
}

rabbitmqctl add_vhost "$vhost" 2>/dev/null || rabbitmqctl -q list_vhosts | grep -qxF "$vhost"
login llm-gateway "$GATEWAY_PASSWORD"
login llm-worker "$WORKER_PASSWORD"

# A cancelled job is revoked through an exchange that Celery's workers declare.
if [ "${DIALECT:-}" = celery-v2 ]; then exchanges='^(amq\.default|celery\.pidbox)$'; else exchanges='^amq\.default$'; fi

# Patterns of what may be configured (declared), written to, read from. The gateway publishes through the
# default exchange, whose name in these patterns is amq.default.
if [ "${QUEUE_TYPE:-classic}" = quorum ]; then
  # It also declares and consumes <queue>.dead, where the broker puts what it gives up; to declare a queue
  # that has such a place needs the right to read from the one and to write to the other.
  rabbitmqctl set_permissions -p "$vhost" llm-gateway "^($queues)(\.dead)?\$" "$exchanges" "^($queues)(\.dead)?\$"
else
  rabbitmqctl set_permissions -p "$vhost" llm-gateway "^($queues)\$" "$exchanges" '^$'
fi
rabbitmqctl set_permissions -p "$vhost" llm-worker "^($queues)\$" '^$' "^($queues)\$"
