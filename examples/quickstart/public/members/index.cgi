#!/bin/sh
# The members' page: shows who is calling, as an application learns it from lightgate. Plain POSIX shell, so
# that the example needs nothing else.

escape() {
  printf '%s' "$1" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'
}

row() {
  printf '<tr><th>%s</th><td>%s</td></tr>\n' "$1" "$(escape "$2")"
}

printf 'Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\r\n'
cat <<'HTML'
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Members</title>
<h1>Members</h1>
<table>
HTML
row 'REMOTE_USER' "$REMOTE_USER"
row 'X-User' "$HTTP_X_USER"
row 'X-Roles' "$HTTP_X_ROLES"
row 'LIGHTGATE_ROLES' "$LIGHTGATE_ROLES"
printf '</table>\n</html>\n'
