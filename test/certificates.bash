# Certificates for tests of TLS.

# A key and a certificate NAME for 127.0.0.1, signed by CA.
certificate()
{
	local ca=$1 name=$2 host=${3:-IP:127.0.0.1}

	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$TEST_DIR/$name.key" -out "$TEST_DIR/$name.csr" -subj "/CN=$name" 2>/dev/null
	openssl x509 -req -in "$TEST_DIR/$name.csr" -CA "$TEST_DIR/$ca.pem" -CAkey "$TEST_DIR/$ca.key" -CAcreateserial -days 2 -out "$TEST_DIR/$name.pem" \
		-extfile <(echo "subjectAltName=$host") 2>/dev/null
}

authority()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$TEST_DIR/$1.key" -out "$TEST_DIR/$1.pem" -days 2 -subj "/CN=$1" 2>/dev/null
}

# by NAME: the options of a side.
by()
{
	# shellcheck disable=SC2034 # the tests use it
	TLS=(--tls --tls-cacert "$TEST_DIR/${2:-ca}.pem" --tls-cert "$TEST_DIR/$1.pem" --tls-key "$TEST_DIR/$1.key")
}

all_certificates()
{
	type -P openssl >/dev/null || skip "there is no openssl to make certificates with"
	authority ca
	certificate ca server
	certificate ca client
}
