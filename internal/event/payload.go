package event

import "time"

// Address is a person, group or newsletter. JID is "<number>@s.whatsapp.net"
// without a device part, or the group or newsletter JID; LID is "<digits>@lid".
// Each is nil while WhatsApp has not told it.
type Address struct {
	JID  *string `json:"jid"`
	LID  *string `json:"lid"`
	Name string  `json:"name"`
}

// Chat is the conversation in which something happened. Type is private,
// group, newsletter or status.
type Chat struct {
	Address
	Type        string `json:"type" enum:"private,group,newsletter,status"`
	IsCommunity bool   `json:"isCommunity,omitempty"`
}

// The kinds of chat.
const (
	ChatPrivate    = "private"
	ChatGroup      = "group"
	ChatNewsletter = "newsletter"
	ChatStatus     = "status"
)

// Directions of a message.
const (
	Incoming = "incoming"
	Outgoing = "outgoing"
)

// Message is the payload of message.exchange. ID repeats Body.ID.
type Message struct {
	ID   string      `json:"id"`
	Body MessageBody `json:"message"`
}

// EventType implements Payload.
func (*Message) EventType() Type { return TypeMessage }

// MessageBody is one WhatsApp message. Blocks that do not apply are nil and
// absent from the JSON.
type MessageBody struct {
	ID             string          `json:"id"`
	Direction      string          `json:"direction" enum:"incoming,outgoing"`
	Timestamp      time.Time       `json:"timestamp"`
	Type           string          `json:"type" enum:"text,image,video,audio,document,sticker,location,contact,poll,poll_vote,reaction,buttons,buttons_response,list,list_response,interactive,interactive_response,event,message_edit,message_revoke,unsupported"`
	RawType        string          `json:"rawType,omitempty"` // only with Type unsupported
	Chat           Chat            `json:"chat"`
	Sender         Address         `json:"sender"`
	Content        *Content        `json:"content,omitempty"`
	Media          *Media          `json:"media,omitempty"`
	Location       *Location       `json:"location,omitempty"`
	Contact        []ContactCard   `json:"contact,omitempty"`
	Poll           *Poll           `json:"poll,omitempty"`
	PollVote       *PollVote       `json:"poll_vote,omitempty"`
	Reaction       *Reaction       `json:"reaction,omitempty"`
	ButtonResponse *ButtonResponse `json:"button_response,omitempty"`
	ListResponse   *ListResponse   `json:"list_response,omitempty"`
	Event          *CalendarEvent  `json:"event,omitempty"`
	Reply          *Reply          `json:"reply,omitempty"`
	Edit           *Edit           `json:"edit,omitempty"`
	Revoke         *Revoke         `json:"revoke,omitempty"`
	Mentions       *Mentions       `json:"mentions,omitempty"`
	Forwarded      bool            `json:"forwarded,omitempty"`
	ViewOnce       bool            `json:"viewOnce,omitempty"`
	Ephemeral      *Ephemeral      `json:"ephemeral,omitempty"`
	Source         string          `json:"source"`
}

// Content holds the text of a message: its body, or the caption of its media.
type Content struct {
	Text string `json:"text"`
}

// Reasons why an event with media goes out without its base64.
const (
	MediaTooLarge       = "too_large"
	MediaTimeout        = "timeout"
	MediaDownloadFailed = "download_failed"
	MediaExpired        = "expired"
)

// Media describes a file. Base64 is set in a copy made for channels that asked
// for it (encoding/json writes it as plain base64); Error says why it is missing
// there. S3URL is set where the instance has a bucket. SHA256 is the base64 of
// the plain file's hash, Size in bytes.
type Media struct {
	Type     string  `json:"type" enum:"image,video,audio,document,sticker,ptt,ptv"`
	URL      string  `json:"url,omitempty"`
	S3URL    string  `json:"s3Url,omitempty"`
	Base64   *Base64 `json:"base64,omitempty"`
	Mimetype string  `json:"mimetype,omitempty"`
	FileName string  `json:"fileName,omitempty"`
	Caption  string  `json:"caption,omitempty"`
	Size     int64   `json:"size"`
	SHA256   string  `json:"sha256,omitempty"`
	Error    string  `json:"error,omitempty" enum:"too_large,timeout,download_failed,expired"`
}

// Location is a place on earth, in degrees.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
}

// ContactCard is one shared contact.
type ContactCard struct {
	DisplayName string `json:"display_name"`
	PhoneNumber string `json:"phone_number,omitempty"`
	VCard       string `json:"vcard"`
}

// Poll is a question with its options. MaxAnswer is how many may be chosen, 0
// for any number.
type Poll struct {
	Title     string       `json:"title"`
	Options   []PollOption `json:"options"`
	MaxAnswer int          `json:"maxAnswer"`
}

// PollOption is one answer that can be chosen.
type PollOption struct {
	Name string `json:"name"`
}

// PollVote is what somebody chose in the poll of message MessageID. Options
// holds names where the poll is known, else the hex SHA-256 of the name.
type PollVote struct {
	MessageID string   `json:"message_id"`
	Options   []string `json:"options"`
}

// Reaction is an emoji on a message; an empty emoji removes it.
type Reaction struct {
	Emoji     string `json:"emoji"`
	MessageID string `json:"message_id"`
	FromMe    bool   `json:"fromMe"`
}

// ButtonResponse is a tap on a button.
type ButtonResponse struct {
	SelectedButtonID string `json:"selected_button_id"`
	Title            string `json:"title"`
}

// ListResponse is a choice from a list.
type ListResponse struct {
	SelectedRowID string `json:"selected_row_id"`
	Title         string `json:"title"`
	Description   string `json:"description,omitempty"`
}

// CalendarEvent is a calendar event that somebody shared.
type CalendarEvent struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	StartAt     *time.Time `json:"startAt,omitempty"`
	EndAt       *time.Time `json:"endAt,omitempty"`
	Location    *Location  `json:"location,omitempty"`
	JoinLink    string     `json:"joinLink,omitempty"`
	IsCanceled  bool       `json:"isCanceled,omitempty"`
}

// Reply is the message that is being answered.
type Reply struct {
	MessageID   string `json:"message_id"`
	Text        string `json:"text"`
	Participant string `json:"participant"`
}

// Edit is the new text of an earlier message.
type Edit struct {
	OriginalID string `json:"original_id"`
	Text       string `json:"text"`
}

// Revoke names a message deleted for everyone.
type Revoke struct {
	OriginalID string `json:"original_id"`
}

// Mentions lists the JIDs that a message names.
type Mentions struct {
	MentionedUsers []string `json:"mentionedUsers"`
}

// Ephemeral is the disappearing-message timer of a message.
type Ephemeral struct {
	Seconds uint32 `json:"seconds"`
}

// Status is the payload of message.status. In groups Recipient is who gave the
// receipt and MessageSender the author of the messages.
type Status struct {
	Timestamp     time.Time `json:"timestamp"`
	Status        string    `json:"status" enum:"delivered,read,played,sender,read_self,played_self,retry,inactive,server_error"`
	MessageIDs    []string  `json:"messageIds"`
	Chat          Chat      `json:"chat"`
	Recipient     Address   `json:"recipient"`
	MessageSender *Address  `json:"messageSender,omitempty"`
}

// EventType implements Payload.
func (*Status) EventType() Type { return TypeStatus }

// Call is the payload of call.update. LatencyMS is in milliseconds.
type Call struct {
	Type           string    `json:"type" enum:"offer,accepted,rejected,terminated,notification,latency"`
	CallID         string    `json:"callId"`
	Timestamp      time.Time `json:"timestamp"`
	From           Address   `json:"from"`
	Creator        Address   `json:"creator"`
	IsGroup        bool      `json:"isGroup"`
	IsVideo        bool      `json:"isVideo"`
	Reason         string    `json:"reason,omitempty"`
	LatencyMS      *int64    `json:"latencyMs,omitempty"`
	Automatic      bool      `json:"automatic,omitempty"`
	RemotePlatform string    `json:"remotePlatform,omitempty"`
	RemoteVersion  string    `json:"remoteVersion,omitempty"`
}

// EventType implements Payload.
func (*Call) EventType() Type { return TypeCall }

// Group is the payload of group.flow. Value is a string, boolean, number or
// nil, by Type; HasValue says whether the type carries one, so that a null
// picture is told apart from none.
type Group struct {
	Type         string    `json:"type" enum:"joined,left,promoted,demoted,created,name,topic,announce,locked,ephemeral,link,membership_approval,member_add_mode,join_request,picture,suspended,linked,unlinked,delete"`
	GroupJID     string    `json:"groupJid"`
	GroupName    string    `json:"groupName"`
	Timestamp    time.Time `json:"timestamp"`
	Actor        *Address  `json:"actor,omitempty"`
	Participants []Address `json:"participants,omitempty"`
	Reason       string    `json:"reason,omitempty"`
	HasValue     bool      `json:"-"`
	Value        any       `json:"value,omitempty"`
	Previous     any       `json:"previous,omitempty"`
}

// EventType implements Payload.
func (*Group) EventType() Type { return TypeGroup }

// State is the payload of instance.state. ExpiresIn is in seconds; Code is the
// number that WhatsApp gave.
type State struct {
	State     string     `json:"state" enum:"connecting,qr_ready,pair_success,pair_error,qr_scanned_no_multidevice,connected,disconnected,logged_out,stream_replaced,temp_banned,client_outdated,connect_failure,stream_error,cat_refresh_error,keepalive_timeout,keepalive_restored,manual_reconnect,phone_offline"`
	Timestamp time.Time  `json:"timestamp"`
	Instance  string     `json:"instance"`
	JID       string     `json:"jid,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Codes     []string   `json:"codes,omitempty"`
	ExpiresIn int        `json:"expiresIn,omitempty"`
	Code      int        `json:"code,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Days      int        `json:"days,omitempty"` // phone_offline: days without the phone
}

// EventType implements Payload.
func (*State) EventType() Type { return TypeState }

// Label is the payload of label.update. Type is chat, message or edit.
type Label struct {
	Type      string    `json:"type" enum:"chat,message,edit"`
	LabelID   string    `json:"labelId"`
	Action    string    `json:"action" enum:"add,remove,updated,deleted"`
	ChatJID   string    `json:"chatJid,omitempty"`
	MessageID string    `json:"messageId,omitempty"`
	Labeled   *bool     `json:"labeled,omitempty"`
	Name      *string   `json:"name,omitempty"`
	Color     *int      `json:"color,omitempty"`
	Deleted   *bool     `json:"deleted,omitempty"`
	Timestamp time.Time `json:"timestamp"`
}

// EventType implements Payload.
func (*Label) EventType() Type { return TypeLabel }
