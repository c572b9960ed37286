package httpapi

import (
	_ "embed" // for the page of /docs
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/chasqui/chasqui/internal/fault"
)

//go:embed docs.html
var docsPage []byte

const mediaJSON = "application/json"

// newDocument configures huma to keep the OpenAPI 3.1 document and nothing
// else: no routes, error shapes or $schema links of its own.
func newDocument(version string) huma.Config {
	config := huma.DefaultConfig("chasqui", version)
	config.Info.Description = "A self-hosted WhatsApp gateway. Success and errors come in one envelope; " +
		"null counts as absent and unknown fields are ignored."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.AllowAdditionalPropertiesByDefault = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":  {Type: "apiKey", In: "header", Name: "token", Description: "Token of an account or an instance"},
		"bearer": {Type: "http", Scheme: "bearer", Description: "The same token as Authorization header"},
	}
	return config
}

// describe adds an operation to the document, if there is to be one.
func (a *api) describe(op *operation, body, answer reflect.Type) {
	if !a.opts.Docs {
		return
	}
	doc := a.huma.OpenAPI()
	schemas := doc.Components.Schemas
	described := &huma.Operation{
		OperationID: operationID(op), Method: op.method, Path: op.path,
		Summary: op.summary, Tags: []string{op.tag}, Security: op.security(),
		Responses: map[string]*huma.Response{
			strconv.Itoa(op.success()): {Description: http.StatusText(op.success())},
			"default":                  jsonResponse("Error", schemas.Schema(reflect.TypeFor[Failure](), true, "")),
		},
	}
	if answer != reflect.TypeFor[none]() {
		described.Responses[strconv.Itoa(op.success())].Content = jsonContent(schemas.Schema(answer, true, ""))
	}
	if op.scoped() {
		described.Parameters = append(described.Parameters, &huma.Param{
			Name: "instance", In: "path", Required: true, Description: "Name of the instance",
			Schema: &huma.Schema{Type: huma.TypeString, Pattern: namePattern.String()},
		})
	}
	for _, p := range op.params {
		described.Parameters = append(described.Parameters, &huma.Param{
			Name: p.name, In: "query", Description: p.doc, Schema: &huma.Schema{Type: huma.TypeString},
		})
	}
	if op.body != bodyIgnored {
		described.RequestBody = &huma.RequestBody{
			Required: op.body == bodyRequired,
			Content:  jsonContent(schemas.Schema(body, true, "")),
		}
	}
	doc.AddOperation(described)
}

func jsonResponse(description string, schema *huma.Schema) *huma.Response {
	return &huma.Response{Description: description, Content: jsonContent(schema)}
}

func jsonContent(schema *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{mediaJSON: {Schema: schema}}
}

// operationID is the method and the words of the path: post-instance-new.
func operationID(op *operation) string {
	path := strings.NewReplacer("/api/", "", "/{instance}", "").Replace(op.path)
	return strings.ToLower(op.method) + "-" + strings.ReplaceAll(strings.Trim(path, "/"), "/", "-")
}

// security lists the ways to send a token; none for open routes.
func (op *operation) security() []map[string][]string {
	if op.auth == authNone {
		return []map[string][]string{}
	}
	return []map[string][]string{{"token": {}}, {"bearer": {}}}
}

// documentRoutes serves the document as it is once all routes are registered.
func (a *api) documentRoutes() error {
	document, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return fmt.Errorf("openapi document: %w", err)
	}
	a.page("/openapi.json", mediaJSON, document)
	a.page("/docs", "text/html; charset=utf-8", docsPage)
	return nil
}

// page serves fixed bytes without a token, limited by address.
func (a *api) page(path, contentType string, body []byte) {
	op := &operation{method: http.MethodGet, path: path}
	a.handle(op, path, func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.admit(w, r, op); err != nil {
			a.fail(w, r, err, fault.MsgInternal)
			return
		}
		send(w, http.StatusOK, contentType, body)
	})
}
