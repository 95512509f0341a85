// Command sigstore is a Sigstore of the test bed: an authority that issues certificates for whatever a token says (Fulcio's API), with the
// promise of a log of certificates, and a transparency log (Rekor's API). It writes the trusted root that goes with it.
package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	"github.com/digitorus/timestamp"
	ct "github.com/google/certificate-transparency-go"
	cttls "github.com/google/certificate-transparency-go/tls"
	ctx509 "github.com/google/certificate-transparency-go/x509"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1"
	"github.com/sigstore/rekor/pkg/util"
	"github.com/sigstore/sigstore/pkg/signature"
)

var (
	oidIssuerV1 = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}
	oidIssuerV2 = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}
	oidPromises = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
	oidPurposes = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidStamping = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
)

type sigstore struct {
	url                           string
	root, intermediate            *x509.Certificate
	authorityKey, ctKey, rekorKey *ecdsa.PrivateKey
	entries                       atomic.Int64
}

func key() *ecdsa.PrivateKey {
	made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	return made
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func issue(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func authority(name string, length int) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: []string{"sluice.test"}},
		NotBefore:             time.Now().Add(-24 * time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            length,
		MaxPathLenZero:        length == 0,
	}
}

func open(url string) *sigstore {
	rootKey := key()
	made := &sigstore{url: url, authorityKey: key(), ctKey: key(), rekorKey: key()}
	template := authority("root", 1)
	var err error
	made.root, err = issue(template, template, rootKey.Public(), rootKey)
	check(err)
	made.intermediate, err = issue(authority("intermediate", 0), made.root, made.authorityKey.Public(), rootKey)
	check(err)
	return made
}

func logID(public crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	check(err)
	digest := sha256.Sum256(der)
	return digest[:]
}

func (s *sigstore) trustedRoot() map[string]any {
	start := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	raw := func(certificate *x509.Certificate) map[string]any { return map[string]any{"rawBytes": certificate.Raw} }
	log := func(public crypto.PublicKey) map[string]any {
		der, err := x509.MarshalPKIXPublicKey(public)
		check(err)
		return map[string]any{
			"baseUrl":       s.url,
			"hashAlgorithm": "SHA2_256",
			"publicKey": map[string]any{
				"rawBytes": der, "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": map[string]any{"start": start},
			},
			"logId": map[string]any{"keyId": logID(public)},
		}
	}
	return map[string]any{
		"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs":     []any{log(s.rekorKey.Public())},
		"ctlogs":    []any{log(s.ctKey.Public())},
		"certificateAuthorities": []any{map[string]any{
			"subject":   map[string]any{"organization": "sluice.test", "commonName": "root"},
			"uri":       s.url,
			"certChain": map[string]any{"certificates": []any{raw(s.intermediate), raw(s.root)}},
			"validFor":  map[string]any{"start": start},
		}},
	}
}

// promise is what the log of certificates says of one that it has not seen issued yet: a list of one signed timestamp.
func (s *sigstore) promise(certificate *x509.Certificate) (pkix.Extension, error) {
	parsed, err := ctx509.ParseTBSCertificate(certificate.RawTBSCertificate)
	if err != nil {
		return pkix.Extension{}, err
	}
	sct := ct.SignedCertificateTimestamp{
		SCTVersion: ct.V1,
		LogID:      ct.LogID{KeyID: [32]byte(logID(s.ctKey.Public()))},
		Timestamp:  uint64(time.Now().UnixMilli()),
	}
	entry := ct.LogEntry{Leaf: ct.MerkleTreeLeaf{
		Version:  ct.V1,
		LeafType: ct.TimestampedEntryLeafType,
		TimestampedEntry: &ct.TimestampedEntry{
			Timestamp: sct.Timestamp,
			EntryType: ct.PrecertLogEntryType,
			PrecertEntry: &ct.PreCert{
				IssuerKeyHash:  sha256.Sum256(s.intermediate.RawSubjectPublicKeyInfo),
				TBSCertificate: parsed.RawTBSCertificate,
			},
		},
	}}
	input, err := ct.SerializeSCTSignatureInput(sct, entry)
	if err != nil {
		return pkix.Extension{}, err
	}
	signed, err := cttls.CreateSignature(*s.ctKey, cttls.SHA256, input)
	if err != nil {
		return pkix.Extension{}, err
	}
	sct.Signature = ct.DigitallySigned(signed)
	one, err := cttls.Marshal(sct)
	if err != nil {
		return pkix.Extension{}, err
	}
	list, err := cttls.Marshal(ctx509.SignedCertificateTimestampList{SCTList: []ctx509.SerializedSCT{{Val: one}}})
	if err != nil {
		return pkix.Extension{}, err
	}
	value, err := asn1.Marshal(list)
	return pkix.Extension{Id: oidPromises, Value: value}, err
}

type claims struct {
	Issuer string `json:"iss"`
	Email  string `json:"email"`
	// What a faulty infrastructure does.
	Without string `json:"without"`
}

// certificate is one for whoever a token tells of; nobody's word is doubted here.
func (s *sigstore) certificate(request *http.Request) ([]string, error) {
	var asked struct {
		PublicKeyRequest struct {
			PublicKey struct{ Content string }
		}
	}
	parts := strings.Split(strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		return nil, errors.New("no token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	var who claims
	if err := json.Unmarshal(payload, &who); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(request.Body).Decode(&asked); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(asked.PublicKeyRequest.PublicKey.Content))
	if block == nil {
		return nil, errors.New("no public key")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	issuer, err := asn1.MarshalWithParams(who.Issuer, "utf8")
	if err != nil {
		return nil, err
	}
	start := time.Now().Add(-time.Minute)
	if who.Without == "validity" {
		start = start.Add(-time.Hour)
	}
	template := &x509.Certificate{
		NotBefore:       start,
		NotAfter:        start.Add(10 * time.Minute),
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		EmailAddresses:  []string{who.Email},
		ExtraExtensions: []pkix.Extension{{Id: oidIssuerV1, Value: []byte(who.Issuer)}, {Id: oidIssuerV2, Value: issuer}},
	}
	if who.Without == "purpose" {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	leaf, err := issue(template, s.intermediate, public, s.authorityKey)
	if err != nil {
		return nil, err
	}
	if who.Without != "promise" {
		promise, err := s.promise(leaf)
		if err != nil {
			return nil, err
		}
		serial := template.SerialNumber
		template.ExtraExtensions = append(template.ExtraExtensions, promise)
		template.SerialNumber = serial
		der, err := x509.CreateCertificate(rand.Reader, template, s.intermediate, public, s.authorityKey)
		if err != nil {
			return nil, err
		}
		if leaf, err = x509.ParseCertificate(der); err != nil {
			return nil, err
		}
	}
	var chain []string
	for _, one := range []*x509.Certificate{leaf, s.intermediate, s.root} {
		chain = append(chain, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: one.Raw})))
	}
	return chain, nil
}

// add is what the transparency log says of an entry: when it saw it, and a proof that it is the second of two.
func (s *sigstore) add(body io.Reader) (string, map[string]any, error) {
	proposed, err := models.UnmarshalProposedEntry(body, jsonConsumer{})
	if err != nil {
		return "", nil, err
	}
	entry, err := types.CreateVersionedEntry(proposed)
	if err != nil {
		return "", nil, err
	}
	canonical, err := types.CanonicalizeEntry(context.Background(), entry)
	if err != nil {
		return "", nil, err
	}
	index, id := s.entries.Add(1), hex.EncodeToString(logID(s.rekorKey.Public()))
	logged := map[string]any{"body": canonical, "integratedTime": time.Now().Unix(), "logIndex": index, "logID": id}
	text, err := json.Marshal(logged)
	if err != nil {
		return "", nil, err
	}
	if text, err = jsoncanonicalizer.Transform(text); err != nil {
		return "", nil, err
	}
	signer, err := signature.LoadECDSASignerVerifier(s.rekorKey, crypto.SHA256)
	if err != nil {
		return "", nil, err
	}
	promise, err := signer.SignMessage(bytes.NewReader(text))
	if err != nil {
		return "", nil, err
	}
	leaf := sha256.Sum256(append([]byte{0}, canonical...))
	other := sha256.Sum256([]byte("another entry"))
	root := sha256.Sum256(append(append([]byte{1}, other[:]...), leaf[:]...))
	host, _, _ := net.SplitHostPort(strings.TrimPrefix(s.url, "http://"))
	checkpoint, err := util.CreateAndSignCheckpoint(context.Background(), host, 1, 2, root[:], signer)
	if err != nil {
		return "", nil, err
	}
	logged["verification"] = map[string]any{
		"signedEntryTimestamp": promise,
		"inclusionProof": map[string]any{
			"logIndex": 1, "treeSize": 2, "rootHash": hex.EncodeToString(root[:]),
			"hashes": []string{hex.EncodeToString(other[:])}, "checkpoint": string(checkpoint),
		},
	}
	return hex.EncodeToString(leaf[:]), logged, nil
}

// clock is an authority of its own that says when it has seen something (RFC 3161).
type clock struct {
	root, certificate *x509.Certificate
	key               *ecdsa.PrivateKey
}

func openClock() *clock {
	rootKey := key()
	made := &clock{key: key()}
	template := authority("clock root", 0)
	template.ExtKeyUsage = nil
	var err error
	made.root, err = issue(template, template, rootKey.Public(), rootKey)
	check(err)
	purposes, err := asn1.Marshal([]asn1.ObjectIdentifier{oidStamping})
	check(err)
	made.certificate, err = issue(&x509.Certificate{
		Subject:         pkix.Name{CommonName: "clock", Organization: []string{"sluice.test"}},
		NotBefore:       template.NotBefore,
		NotAfter:        template.NotAfter,
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: oidPurposes, Critical: true, Value: purposes}},
	}, made.root, made.key.Public(), rootKey)
	check(err)
	return made
}

func (c *clock) stamp(body io.Reader) ([]byte, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	asked, err := timestamp.ParseRequest(text)
	if err != nil {
		return nil, err
	}
	said := timestamp.Timestamp{
		HashAlgorithm:     asked.HashAlgorithm,
		HashedMessage:     asked.HashedMessage,
		Nonce:             asked.Nonce,
		Time:              time.Now(),
		Accuracy:          time.Second,
		Policy:            asn1.ObjectIdentifier{1, 2, 3, 4},
		Certificates:      []*x509.Certificate{c.root},
		AddTSACertificate: asked.Certificates,
	}
	return said.CreateResponseWithOpts(c.certificate, c.key, crypto.SHA256)
}

type jsonConsumer struct{}

func (jsonConsumer) Consume(from io.Reader, to any) error {
	decoder := json.NewDecoder(from)
	decoder.UseNumber()
	return decoder.Decode(to)
}

func answer(response http.ResponseWriter, status int, value any, err error) {
	if err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	response.Header().Set("Content-Type", "application/json")
	response.WriteHeader(status)
	_ = json.NewEncoder(response).Encode(value)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sigstore <address> <file for the trusted root>")
		os.Exit(2)
	}
	made := open("http://" + os.Args[1])
	http.HandleFunc("POST /api/v2/signingCert", func(response http.ResponseWriter, request *http.Request) {
		chain, err := made.certificate(request)
		value := map[string]any{"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{"certificates": chain}}}
		answer(response, http.StatusOK, value, err)
	})
	http.HandleFunc("POST /api/v1/log/entries", func(response http.ResponseWriter, request *http.Request) {
		id, entry, err := made.add(request.Body)
		response.Header().Set("Location", "/api/v1/log/entries/"+id)
		response.Header().Set("ETag", id)
		answer(response, http.StatusCreated, map[string]any{id: entry}, err)
	})
	clock := openClock()
	http.HandleFunc("POST /timestamp", func(response http.ResponseWriter, request *http.Request) {
		said, err := clock.stamp(request.Body)
		if err != nil {
			http.Error(response, err.Error(), http.StatusBadRequest)
			return
		}
		response.Header().Set("Content-Type", "application/timestamp-reply")
		_, _ = response.Write(said)
	})
	clockRoot := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: clock.root.Raw})
	check(os.WriteFile(os.Args[2]+".clock.pem", clockRoot, 0o600))
	listener, err := net.Listen("tcp", os.Args[1])
	check(err)
	text, err := json.Marshal(made.trustedRoot())
	check(err)
	// What waits for the file knows then that requests are taken.
	check(os.WriteFile(os.Args[2]+".part", text, 0o600))
	check(os.Rename(os.Args[2]+".part", os.Args[2]))
	check(http.Serve(listener, nil))
}
