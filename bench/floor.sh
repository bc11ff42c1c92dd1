# The floor: what must happen on the nodes for one new service, written by hand, as root, one script a node.
# Called with: role domain user uid address-of-the-web-node, and for the role dkim the key that mail has printed. It checks what
# it loads, as the modules do, and nothing else.
set -eu
role=$1 domain=$2 user=$3 uid=$4 address=$5 key=${6:-}

web() {
  useradd --uid "$uid" --user-group --no-create-home --home-dir "/srv/floor/$user" --shell /usr/sbin/nologin "$user"
  install -d -m 0755 /srv/floor
  install -d -m 0710 -o "$user" -g www-data "/srv/floor/$user"
  install -d -m 0750 -o "$user" -g www-data "/srv/floor/$user/www" "/srv/floor/$user/tmp"
  printf '<h1>%s</h1>\n' "$domain" > "/srv/floor/$user/www/index.html"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$domain" \
    -keyout "/srv/floor/$user.key" -out "/srv/floor/$user.pem" 2>/dev/null
  cat > "/etc/php/8.2/fpm/pool.d/floor-$user.conf" <<END
[$user]
user = $user
group = $user
listen = /run/php/floor-$user.sock
listen.owner = www-data
pm = ondemand
pm.max_children = 5
END
  php-fpm8.2 -t 2>/dev/null
  systemctl reload-or-restart php8.2-fpm  # nobody else uses this one
  cat > "/etc/nginx/conf.d/floor-$user.conf" <<END
server {
  listen 80;
  listen 443 ssl;
  server_name $domain www.$domain;
  ssl_certificate /srv/floor/$user.pem;
  ssl_certificate_key /srv/floor/$user.key;
  root /srv/floor/$user/www;
  location ~ \.php\$ { include fastcgi_params; fastcgi_pass unix:/run/php/floor-$user.sock; }
}
END
  nginx -t 2>/dev/null
  systemctl reload nginx
  tries=0  # nginx says that it reloads before it does
  until curl --silent --fail --max-time 5 --output /dev/null --header "Host: $domain" http://127.0.0.1/; do
    tries=$((tries + 1))
    if [ "$tries" -ge 250 ]; then echo "nginx was reloaded and does not show $domain"; exit 1; fi
    sleep 0.02
  done
}

mail() {
  install -d -m 0750 /srv/floor
  openssl genrsa -out "/srv/floor/$domain.key" 2048 2>/dev/null
  openssl rsa -in "/srv/floor/$domain.key" -pubout -out "/srv/floor/$domain.pub" 2>/dev/null
  sqlite3 /srv/floor/mail.db "CREATE TABLE IF NOT EXISTS boxes (address TEXT PRIMARY KEY, hash TEXT); \
    INSERT INTO boxes VALUES ('postmaster@$domain', '$(openssl passwd -6 "$user")');"
  install -d -m 0700 "/srv/floor/$domain/postmaster/cur" "/srv/floor/$domain/postmaster/new" "/srv/floor/$domain/postmaster/tmp"
  grep -v -e '^-' "/srv/floor/$domain.pub" | tr -d '\n'
}

dns() {
  pdnsutil create-zone "$domain" "ns1.$domain" >/dev/null 2>&1
  for record in "@ A" "www A" "mail A" "ns1 A"; do
    # shellcheck disable=SC2086  # two words
    pdnsutil add-record "$domain" $record 3600 "$address" >/dev/null 2>&1
  done
  pdnsutil add-record "$domain" @ MX 3600 "10 mail.$domain" >/dev/null 2>&1
  pdnsutil add-record "$domain" @ TXT 3600 '"v=spf1 mx -all"' >/dev/null 2>&1
  pdnsutil increase-serial "$domain" >/dev/null 2>&1
  pdns_control rediscover >/dev/null  # PowerDNS reads its list of zones once a minute only
}

dkim() {
  begin=$(printf %s "$key" | cut -c -200) rest=$(printf %s "$key" | cut -c 201-)  # a string has 255 bytes at most
  pdnsutil add-record "$domain" tenantry1._domainkey TXT 3600 "\"v=DKIM1; k=rsa; p=$begin\" \"$rest\"" >/dev/null 2>&1
  pdnsutil increase-serial "$domain" >/dev/null 2>&1
}

undo() {
  rm -rf /srv/floor /etc/nginx/conf.d/floor-*.conf /etc/php/8.2/fpm/pool.d/floor-*.conf
  if id "$user" >/dev/null 2>&1; then systemctl stop php8.2-fpm && systemctl reload nginx && userdel "$user"; fi
  if command -v pdnsutil >/dev/null; then pdnsutil delete-zone "$domain" >/dev/null 2>&1 || true; fi
}

"$role"
